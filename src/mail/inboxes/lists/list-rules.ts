/**
 * Decides what allow and block lists say about an address (docs/adr/0042). Pure; find-denials.ts reads the entries.
 *
 *   mail to the address bounced → denied
 *   then the lists of the inbox, those of its pod, those of the organization, until one of them decides:
 *     an entry of the block list matches → denied
 *     an entry of the allow list matches → allowed, if the sender is authenticated
 *     the allow list has other entries   → denied
 *   no list decides → allowed
 */
import { entriesMatching, type ListDirection, type ListName } from './list-entry.ts'

/** An inbox, and the pod and organization to which it belongs. */
export interface ListedInbox {
  readonly id: string
  readonly pod_id: string
  readonly organization_id: string
}

/** Whether an inbox may exchange mail with these addresses. */
export interface ListQuestion {
  readonly inbox: ListedInbox
  readonly direction: ListDirection
  /** Normalised. undefined: the sender has no valid address, which no entry matches. */
  readonly addresses: readonly (string | undefined)[]
  /** No entry of an allow list matches: the sender of a received message is not authenticated. */
  readonly isNeverAllowed?: boolean
}

/** Why a list denies an address. */
export interface Denial {
  readonly address: string | undefined
  /** The list that decided: a block list with the entry, or an allow list without one. */
  readonly list: ListName
  /** The matching entry of a block list. */
  readonly entry?: string
  /** The server made the entry because mail to the address bounced, or was reported as spam. */
  readonly isBounce?: true
  /** Id of the organization, pod or inbox that has the list. */
  readonly scopeId: string
}

/** What the lists contain, as far as questions need it. */
export interface KnownEntries {
  /** Returns whether the list has the entry; `bounce`: the server made it. */
  find(scopeId: string, list: ListName, entry: string): 'bounce' | 'entry' | undefined
  /** Whether the allow list has any entry. */
  hasAllowed(scopeId: string, direction: ListDirection): boolean
}

/** Returns the scopes whose lists apply to an inbox, in the order in which they decide. */
export function scopesOf({ id, pod_id, organization_id }: ListedInbox): string[] {
  return [id, pod_id, organization_id]
}

/** Returns the addresses that are denied, with the reason, in their order. */
export function denialsOf(question: ListQuestion, known: KnownEntries): Denial[] {
  return question.addresses.flatMap((address) => denialOf(question, address, known) ?? [])
}

/** @returns undefined if the address is allowed */
export function denialOf(
  { inbox, direction, isNeverAllowed = false }: Omit<ListQuestion, 'addresses'>,
  address: string | undefined,
  known: KnownEntries,
): Denial | undefined {
  const block = { direction, type: 'block' } as const
  const allow = { direction, type: 'allow' } as const
  const entries = address === undefined ? [] : entriesMatching(address)
  for (const scopeId of scopesOf(inbox)) {
    const [first] = entries
    if (first === undefined || known.find(scopeId, block, first) !== 'bounce') continue
    return { address, list: block, entry: first, isBounce: true, scopeId }
  }
  for (const scopeId of scopesOf(inbox)) {
    const entry = entries.find((each) => known.find(scopeId, block, each))
    if (entry !== undefined) return { address, list: block, entry, scopeId }
    if (!isNeverAllowed && entries.some((each) => known.find(scopeId, allow, each))) return undefined
    if (known.hasAllowed(scopeId, direction)) return { address, list: allow, scopeId }
  }
  return undefined
}

/** Returns a clause for people: "ann@example.com (not in allow list)". */
export function describeDenial({ address, list, entry, isBounce }: Denial): string {
  const who = address ?? 'no valid address'
  if (isBounce) return `${who} (mail to it bounced, or was reported as spam)`
  if (list.type === 'allow') return `${who} (not in allow list)`
  return `${who} (${entry === who ? 'in block list' : `${entry} is in block list`})`
}
