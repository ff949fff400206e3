/** The domains in the From of a message: the one that authentication compares, and those that people may take for it. Pure. */
import {
  type Address,
  formatAddress,
  normaliseAddress,
  normaliseDomain,
  splitAddress,
} from '../../../formats/address/address.ts'

/** Domains per mailbox of From. Without a valid address it is any text of up to 2,000 characters; people read its beginning. */
const DOMAINS_PER_MAILBOX_MAX = 20
/** Domains per message: one statement looks them up. */
const DOMAINS_MAX = 1_000

/**
 * Returns the domain of the only address in From, as A-labels.
 *
 * @returns undefined without a valid address, or with several (RFC 7489 §6.6.1: none of them can be shown as confirmed)
 */
export function singleFromDomain(from: readonly Address[]): string | undefined {
  const [only, other] = from
  const address = other === undefined && only !== undefined ? normaliseAddress(only.address) : undefined
  const domain = address === undefined ? undefined : splitAddress(address).domain
  return domain?.startsWith('[') ? undefined : domain
}

/**
 * Returns the domains of From that must be looked up: if one of them is ours, a stranger uses our name. If a mailbox has no
 * valid address, these are the texts after each "@" as mail programs display them, without invisible characters.
 *
 * @returns each domain once, as A-labels
 */
export function shownDomains(from: readonly Address[]): string[] {
  const domains = from.flatMap((address) => {
    const shown = formatAddress(address).normalize('NFKC')
    const text = normaliseAddress(address.address) ?? shown.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    const written = [...text.matchAll(/@\s?([\p{L}\p{M}\p{N}_.-]{1,255})/gu)]
    return written.slice(0, DOMAINS_PER_MAILBOX_MAX).map(([, domain]) => normaliseDomain(domain!.replace(/\.+$/, '')))
  })
  return [...new Set(domains.filter((domain) => domain !== undefined))].slice(0, DOMAINS_MAX)
}
