/**
 * SEARCH in one mailbox (RFC 9051 §6.4.4). Each key becomes a set of positions in the snapshot; AND evaluates cheap keys first, and costly ones only for
 * the messages that are left:
 *
 *   snapshot (flags, UIDs, MODSEQ) → rows (sizes, dates, subject, addresses) → the text index → contents (other header fields)
 *
 * The work is limited, and a search that would need more is refused: no result is wrong. A message of which something that a key needs is damaged
 * is in no result, also not in that of NOT, unless other keys decide alone (OR, AND with another one): a client may delete what it finds.
 * One exception is in docs/adr/0091.
 */
import { MailError } from '../../../errors.ts'
import type { SearchKey } from '../../../formats/imap/search-keys.ts'
import type { Flags } from '../views/flag-sets.ts'
import { indexOfUid } from '../views/mailbox-snapshot.ts'
import type { Fields } from './search-contents.ts'
import { dayOf, dayOfDateField, isOnSide } from './search-dates.ts'
import { filter, firstPosition, inSet, type Positions } from './search-positions.ts'
import { type SearchedMailbox, type SearchNeeds, SearchReader } from './search-reader.ts'
import { createSlices } from './search-slices.ts'
import { searchHeader, searchText } from './search-texts.ts'

export interface MailboxSearch {
  readonly key: SearchKey
  /** UIDs and flags mean those of this snapshot. */
  readonly snapshot: SearchedSnapshot
  /** UIDs of the saved result (RFC 5182). */
  readonly saved: readonly number[]
  /** Called with the number of messages that are not in the result because they are damaged, if there are some. */
  readonly onDamaged?: ((count: number) => void) | undefined
}

export interface SearchedSnapshot {
  readonly uids: ArrayLike<number>
  readonly flags: readonly Flags[]
  readonly modseqs: ArrayLike<number>
}

/** @returns ascending UIDs of messages in the snapshot @throws search_too_costly */
export async function searchMailbox(
  needs: SearchNeeds,
  mailbox: SearchedMailbox,
  { key: wanted, snapshot, saved, onDamaged }: MailboxSearch,
  signal: AbortSignal,
): Promise<number[]> {
  const { searchKeysMax } = needs.limits.mailboxes
  const { uids, flags, modseqs } = snapshot
  const reader = new SearchReader(needs, mailbox, uids, signal)
  const now = needs.clock()
  let keysLeft = searchKeysMax
  /** Keys that read nothing run at once, and there may be many of them. */
  const pause = createSlices(SLICE_MS)
  const found = await evaluate(wanted, new Uint8Array(uids.length).fill(1), false)
  const missing = [...reader.damaged].filter((index) => found[index] === 0).length
  if (missing > 0) onDamaged?.(missing)
  return Array.from(uids).filter((_uid, index) => found[index] === 1)

  /** @param isNegated whether the key is in NOT, or in an odd number of them @returns a new set, a part of `among` */
  async function evaluate(key: SearchKey, among: Positions, isNegated: boolean): Promise<Positions> {
    signal.throwIfAborted()
    keysLeft -= 1
    if (keysLeft < 0) throw new MailError('limit_exceeded', { what: 'keys of one search', max: searchKeysMax })
    await pause()
    switch (key.key) {
      case 'all':
        return among.slice()
      case 'and': {
        let left = among.slice()
        for (const each of key.keys.toSorted((a, b) => costOf(a) - costOf(b)))
          left = await evaluate(each, left, isNegated)
        return left
      }
      case 'or': {
        const any = new Uint8Array(uids.length)
        for (const each of key.keys) {
          const more = await evaluate(each, among, isNegated)
          for (let index = 0; index < any.length; index += 1) any[index]! |= more[index]!
        }
        return any
      }
      case 'not': {
        const some = await evaluate(key.of, among, !isNegated)
        return filter(among, (index) => some[index] === 0)
      }
      case 'flag': {
        const flag = key.flag.toLowerCase()
        const has = new Map<Flags, boolean>()
        return filter(among, (index) => {
          const set = flags[index]!
          let isSet = has.get(set)
          if (isSet === undefined) {
            isSet = set.some((each) => each.toLowerCase() === flag)
            has.set(set, isSet)
          }
          return isSet === key.isSet
        })
      }
      case 'sequence':
        return inSet(among, key.set, { last: uids.length, positionFrom: (number) => number - 1 })
      case 'uid':
        return inSet(among, key.set, {
          last: uids[uids.length - 1] ?? 0,
          positionFrom: (uid) => firstPosition(uids, uid),
        })
      case 'saved result':
        return positionsOf(saved, among)
      case 'modseq':
        return filter(among, (index) => BigInt(modseqs[index]!) >= key.atLeast)
      case 'size':
        return reader.byRow(among, (row) =>
          key.is === 'larger' ? row.size_bytes > key.bytes : row.size_bytes < key.bytes,
        )
      case 'within': {
        const since = now - key.seconds * 1_000
        // RFC 5032 §3: YOUNGER includes the limit.
        return reader.byRow(among, (row) => row.internal_date >= since === (key.is === 'younger'))
      }
      case 'emailid':
        return reader.byRow(among, (row) => row.item_id === key.id)
      case 'threadid':
        return reader.byRow(among, (row) => row.thread_id === key.id)
      case 'date':
        if (key.of === 'sent') {
          const matches = (headers: Fields) => isOnSide(key.is, dayOfDateField(fieldTextOf(headers, 'date')), key.day)
          return reader.byHeader(among, { query: matches, isNegated })
        }
        return reader.byRow(among, (row) =>
          isOnSide(key.is, dayOf(key.of === 'saved' ? row.saved_at : row.internal_date), key.day),
        )
      case 'text':
        return searchText(reader, key.in, { query: key.value, isNegated }, among)
      case 'header':
        return searchHeader(reader, key.name, { query: key.value, isNegated }, among)
    }
  }

  function positionsOf(some: readonly number[], among: Positions): Positions {
    const kept = new Uint8Array(uids.length)
    for (const uid of some) {
      const index = indexOfUid(uids, uid)
      if (index !== undefined) kept[index] = among[index]!
    }
    return kept
  }
}

/** Time after which a search lets other work run. */
const SLICE_MS = 10

/** AND evaluates keys in this order. */
function costOf(key: SearchKey): number {
  switch (key.key) {
    case 'and':
    case 'or':
      return key.keys.reduce((sum, each) => Math.max(sum, costOf(each)), 0)
    case 'not':
      return costOf(key.of)
    case 'size':
    case 'within':
    case 'emailid':
    case 'threadid':
      return 1
    case 'date':
      return key.of === 'sent' ? 4 : 1
    case 'text':
      return key.in === 'body' || key.in === 'text' ? 3 : 2
    case 'header':
      return 4
    default:
      return 0
  }
}

function fieldTextOf(headers: Fields, name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1]
}
