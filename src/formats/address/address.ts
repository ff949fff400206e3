/**
 * Handles a single mail address: normalises it, splits it, and writes it with a display name.
 *
 * Two addresses belong to the same inbox if their normal forms are equal. RFC 5321 §2.4 leaves it to the host of an
 * address whether the case of the local part matters. On our domains it does not, and no other domain is known where it
 * does, so the normal form is lower-case.
 */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/** A mailbox in a header field or an API value. */
export interface Address {
  /** Display name, decoded, on one line. */
  name?: string
  /** addr-spec. Empty if a broken header field contains only a name. */
  address: string
}

/**
 * In bytes. RFC 5321 §4.5.3.1.3 allows 256 for a path, including two angle brackets. The limit of 64 for a local part
 * (§4.5.3.1.1) is what a server must accept at least: addresses of ticket systems and code hosts are longer.
 */
const DOMAIN_BYTES_MAX = 255
export const ADDRESS_BYTES_MAX = 254

/** RFC 5322 §3.2.3 atext and RFC 6532 §3.2, between single dots. */
const DOT_ATOM = /^[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/iu
/** The same characters with dots anywhere. */
const STRAY_DOTS = /^[a-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\u{10ffff}-]+$/iu

/** RFC 1035 §2.3.1 with leading digits (RFC 1123 §2.1), and "_" because some hosts with such names send mail. */
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** ASCII characters that no domain contains. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it must find control characters
const NOT_IN_NAMES = /[\x00-,/:-@[-^`{-\x7f]/

/** RFC 5321 §4.1.2 Quoted-string. The group is the text between the quotes, with its quoted pairs. */
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/u

const NAME_CHARS_MAX = 500

/**
 * Most addresses, which are their own normal form: a dot-atom of these characters at a name of several DNS labels that ends
 * with letters.
 */
const PLAIN = /^[a-z0-9_+=-]+(?:\.[a-z0-9_+=-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/

/** Whether it is an address in its normal form. false only says that it must be looked at in detail. */
export function isPlainAddress(text: string): boolean {
  return text.length <= ADDRESS_BYTES_MAX && PLAIN.test(text)
}

/**
 * Returns the normal form: lower case, NFC, the domain as A-labels, the local part without unnecessary quotes and with
 * those that are missing: mailboxes like `ta..ro.@host` exist, and SMTP can only carry them quoted.
 *
 * @param text  an addr-spec, without name and angle brackets
 * @returns undefined if this is not an address: it has white space, control characters, a second "@" outside of quotes
 *          or a domain that is invalid in DNS, or it is too long (RFC 5321 §4.5.3.1)
 */
export function normaliseAddress(text: string): string | undefined {
  if (text.length > ADDRESS_BYTES_MAX) return undefined // before the expensive steps
  if (isPlainAddress(text)) return text
  const { localPart, domain } = splitAddress(text)
  const local = normaliseLocalPart(localPart)
  const host = normaliseDomain(domain)
  if (local === undefined || host === undefined) return undefined

  const address = `${local}@${host}`
  return Buffer.byteLength(address) <= ADDRESS_BYTES_MAX ? address : undefined
}

/** Splits at the last "@", because a quoted local part may contain others (RFC 5321 §4.1.2). */
export function splitAddress(address: string): { localPart: string; domain: string } {
  const at = address.lastIndexOf('@')
  return at < 0
    ? { localPart: address, domain: '' }
    : { localPart: address.slice(0, at), domain: address.slice(at + 1) }
}

/**
 * Removes the detail of a subaddress (RFC 5233 §1): `ann+anything@…` becomes `ann@…`. Other addresses stay unchanged.
 */
export function withoutTag(address: string): string {
  const { localPart, domain } = splitAddress(address)
  const plus = localPart.indexOf('+')
  return plus > 0 && !localPart.startsWith('"') ? `${localPart.slice(0, plus)}@${domain}` : address
}

/**
 * Whether every server reads this mailbox in RCPT TO as the same one (RFC 5321 §4.1.2, §4.5.3.1).
 *
 * False for "<" and ">" in a quoted local part, although the grammar allows them: some servers end the path at the
 * first ">", and the text before it can be another mailbox. Nodemailer refuses the whole envelope. RFC 5321 §4.1.2
 * advises against mailboxes that need quotes, and no such mailbox is known, so refusing them loses no mail.
 */
export function isSmtpMailbox(address: string): boolean {
  const normal = normaliseAddress(address)
  const lacksQuotes = normal?.startsWith('"') && !address.startsWith('"')
  return normal !== undefined && !lacksQuotes && !/[<>]/.test(address)
}

function normaliseLocalPart(text: string): string | undefined {
  const quoted = QUOTED.exec(text)?.[1]?.replace(/\\(.)/gu, '$1')
  const local = (quoted ?? text).normalize('NFC').toLowerCase().normalize('NFC') // lower case may decompose
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must reject control characters
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/u.test(local)) return undefined
  const isAtom = DOT_ATOM.test(local) && !/\s/u.test(local)
  if (isAtom) return local // RFC 5321 §4.1.2: quotes only if they are needed
  const canQuote = quoted === undefined ? STRAY_DOTS.test(local) && !/\s/u.test(local) : local !== ''
  return canQuote ? quote(local) : undefined
}

/** Returns lower-case A-labels or an address literal (RFC 5321 §4.1.3); undefined if this is not a domain. */
export function normaliseDomain(text: string): string | undefined {
  if (text.length > DOMAIN_BYTES_MAX) return undefined
  if (text.startsWith('[')) return normaliseLiteral(text)

  // Only non-ASCII names are converted: the URL algorithm would also interpret "0x7f.1" as an IP address. It would decode
  // "%62", and end the name at "/", "?" and "#", so such characters are refused first.
  if (NOT_IN_NAMES.test(text)) return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII
  const domain = (/^[\x00-\x7f]*$/.test(text) ? text : domainToASCII(text)).toLowerCase()
  const labels = domain.split('.')
  const isName = domain.length <= DOMAIN_BYTES_MAX && labels.every((each) => DNS_LABEL.test(each))
  return isName && !/^\d+$/.test(labels.at(-1)!) ? domain : undefined // RFC 1123 §2.1: 10.0.0.1 is not a name
}

function normaliseLiteral(text: string): string | undefined {
  const [, tag = '', ip = ''] = /^\[(IPv6:)?([0-9a-f.:]+)\]$/i.exec(text) ?? []
  if (isIP(ip) !== (tag === '' ? 4 : 6)) return undefined
  return tag === '' ? `[${ip}]` : `[IPv6:${ip.toLowerCase()}]`
}

/**
 * Returns `addr` or `Name <addr>`. The result is always one line, because it may be used in a header. The name is not
 * encoded; the composer does that.
 */
export function formatAddress({ name = '', address }: Address): string {
  const spec = writeAddrSpec(address)
  const label = singleLine(name)
  if (label === '') return spec
  // RFC 5322 §3.2.5: a phrase consists of atoms; any other text must be a quoted string (§3.2.4)
  const phrase = /^[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\uffff -]+$/i.test(label) ? label : quote(label)
  return spec === '' ? phrase : `${phrase} <${spec}>`
}

/**
 * Returns an addr-spec that can be written between angle brackets: on one line, with "<" and ">" inside quotes only
 * (RFC 5322 §3.4.1). It names the given mailbox or none. Removing the ">" of `"a>b"@host` would name another mailbox.
 *
 * @param address any text; without "<", ">" and control characters it is returned unchanged
 */
export function writeAddrSpec(address: string): string {
  const spec = singleLine(address)
  if (!/[<>]/.test(spec)) return spec
  const { localPart, domain } = splitAddress(spec)
  const local = !/[<>]/.test(localPart) || QUOTED.test(localPart) ? localPart : quote(localPart)
  // They cannot be quoted in a domain, so a character replaces them that no domain contains.
  return spec.includes('@') ? `${local}@${domain.replace(/[<>]/g, '?')}` : local
}

/**
 * Parses one recipient from an API client: `addr`, `<addr>` or `Name <addr>`.
 *
 * @returns the address in normal form, or undefined if it is not valid
 */
export function parseRecipient(text: string): Address | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must reject control characters
  if (text.length > NAME_CHARS_MAX + ADDRESS_BYTES_MAX || /[\x00-\x1f\x7f]/.test(text)) return undefined
  const trimmed = text.trim()
  const open = trimmed.endsWith('>') ? trimmed.lastIndexOf('<') : -1
  const address = normaliseAddress(open < 0 ? trimmed : trimmed.slice(open + 1, -1).trim())
  if (address === undefined) return undefined

  const phrase = trimmed.slice(0, Math.max(open, 0)).trim()
  const name = QUOTED.exec(phrase)?.[1]?.replace(/\\(.)/gu, '$1') ?? phrase
  if (/[<>]/.test(phrase.replace(/"(?:[^"\\]|\\.)*"/gu, ''))) return undefined // two addresses in one
  return name.trim() === '' ? { address } : { name: name.trim(), address }
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Replaces line breaks and control characters with spaces, and trims the text. */
export function singleLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it replaces control characters
  return text.replace(/[\x00-\x1f\x7f\u2028\u2029]+/g, ' ').trim()
}
