/**
 * Entries of allow and block lists: which there are, their normal form, and what matches an address. Pure.
 *
 * An entry is an address or a domain. A domain also stands for its subdomains. Both are compared in the normal form of
 * addresses: lower case, and internationalized domains as A-labels.
 */
import { MailError } from '../../../errors.ts'
import { normaliseAddress, normaliseDomain, splitAddress } from '../../../formats/address/address.ts'

/**
 * - `send`: recipients of mail that an inbox sends
 * - `reply`: senders of mail that answers a message which the inbox has sent
 * - `receive`: senders of all other mail
 */
export type ListDirection = 'send' | 'receive' | 'reply'

export type ListType = 'allow' | 'block'

/** One of the six lists that each organization, pod and inbox has. */
export interface ListName {
  readonly direction: ListDirection
  readonly type: ListType
}

export interface ListEntry extends ListName {
  /** A normalised address or domain. */
  readonly entry: string
  readonly entryType: 'email' | 'domain'
  readonly organizationId: string
  /** Absent in a list of the organization. */
  readonly podId?: string
  /** Address of the inbox; absent in a list of the organization or of a pod. */
  readonly inboxAddress?: string
  readonly reason?: string
  /** Made by the server because mail to the address bounced: clients cannot delete it. */
  readonly isReadOnly: boolean
  /** Epoch ms. */
  readonly createdAt: number
}

/** So an address has a bounded number of domains that may be in a list. */
const DOMAIN_LABELS_MAX = 10

/** @returns the normal form; undefined if the text is neither an address nor a domain */
export function normaliseEntry(text: string): string | undefined {
  const trimmed = text.trim()
  if (trimmed.includes('@')) return normaliseAddress(trimmed)
  const domain = normaliseDomain(trimmed)
  return domain !== undefined && domain.split('.').length <= DOMAIN_LABELS_MAX ? domain : undefined
}

/** @throws validation_error */
export function parseEntry(text: string): string {
  const entry = normaliseEntry(text)
  if (entry !== undefined) return entry
  const detail = `entry must be an address like ann@example.com, or a domain like example.com with at most ${DOMAIN_LABELS_MAX} labels`
  throw new MailError('validation_error', { detail, path: ['entry'] })
}

/**
 * As `parseEntry`, for an entry that a client adds. A star is a character of addresses, but `*@example.com` is meant to be a domain:
 * as an address, it would block nobody, and in an allow list deny everybody.
 *
 * @throws validation_error
 */
export function parseNewEntry(text: string): string {
  if (!text.includes('*')) return parseEntry(text)
  const detail = 'entry has no wildcards: a domain like example.com stands for all its addresses and subdomains'
  throw new MailError('validation_error', { detail, path: ['entry'] })
}

export function entryTypeOf(entry: string): 'email' | 'domain' {
  return entry.includes('@') ? 'email' : 'domain'
}

/** Returns the entries that match a normalised address, narrowest first: the address, its domain, the domains above. */
export function entriesMatching(address: string): string[] {
  const { domain } = splitAddress(address)
  const labels = domain.split('.')
  const first = Math.max(0, labels.length - DOMAIN_LABELS_MAX)
  return [address, ...labels.slice(first).map((_label, index) => labels.slice(first + index).join('.'))]
}
