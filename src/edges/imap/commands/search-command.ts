/** SEARCH and UID SEARCH (RFC 9051 §6.4.4), with the results of rev1 or of ESEARCH (RFC 4731), which can be saved (RFC 5182). */
import type { SearchCommand, SearchReturn } from '../grammar/imap-command.ts'
import { formatSet } from '../grammar/message-set.ts'
import { formatString } from '../grammar/response-strings.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'
import { createPositionFinder } from './resolve-set.ts'

export async function search(session: ImapSession, command: SearchCommand, tag: string): Promise<string> {
  const selected = session.requireSelected()
  const { returns, isUid } = command
  if (command.hasModseq) session.isCondstore = true // RFC 7162 §3.1
  const { saved } = selected
  if (returns?.has('SAVE')) selected.saved = [] // RFC 5182 §2.1: also if the search fails
  if (!command.isCharsetKnown) return 'NO [BADCHARSET] this charset is not supported'
  // RFC 9051 §7.1.2: an untagged NO is a warning. RFC 5530 §3: CORRUPTION. Without them, the client would get nothing of the other messages.
  const warn = (count: number) =>
    session.untagged(`NO [CORRUPTION] messages that cannot be read, and are not in the result: ${count}`)
  const found = await selected.mailbox.search(command.key, selected.believed, saved, session.peer.ended, warn)
  if (returns?.has('SAVE')) selected.saved = savedOf(found, returns)
  const result = describe(selected, found, command)
  if (!returns && !session.isRev2) {
    const numbers = result.numbers.length === 0 ? '' : ` ${result.numbers.join(' ')}`
    session.untagged(`SEARCH${numbers}${result.modseq === undefined ? '' : ` (MODSEQ ${result.modseq})`}`)
    return 'OK SEARCH completed'
  }
  // RFC 9051 §6.4.4: rev2 has no SEARCH response
  const wanted = returns ?? new Set<SearchReturn>(['ALL'])
  if (wanted.size === 1 && wanted.has('SAVE')) return 'OK SEARCH completed' // RFC 5182 §2.1: nothing is returned
  session.untagged(`ESEARCH (TAG ${formatString(tag)})${isUid ? ' UID' : ''}${formatResult(result, wanted)}`)
  return 'OK SEARCH completed'
}

/** RFC 5182 §2.1: with MIN or MAX only, these are saved. */
function savedOf(found: readonly number[], returns: ReadonlySet<SearchReturn>): readonly number[] {
  if (found.length === 0 || returns.has('ALL') || returns.has('COUNT')) return found
  if (!returns.has('MIN') && !returns.has('MAX')) return found
  const ends = [...(returns.has('MIN') ? [found[0]!] : []), ...(returns.has('MAX') ? [found.at(-1)!] : [])]
  return [...new Set(ends)]
}

interface SearchResult {
  /** UIDs or sequence numbers, ascending. */
  readonly numbers: readonly number[]
  /** RFC 7162 §3.1.5: the largest of the messages that are returned; undefined: the client did not search for it. */
  readonly modseq: number | undefined
}

function describe({ believed }: SelectedMailbox, uids: readonly number[], command: SearchCommand): SearchResult {
  const find = createPositionFinder(believed.uids)
  const { returns } = command
  const hasAll = !returns || returns.has('ALL') || returns.has('COUNT')
  const numbers: number[] = []
  const modseqs: number[] = []
  for (const uid of uids) {
    const position = find(uid)
    if (position === -1) continue
    numbers.push(command.isUid ? uid : position + 1)
    if (command.hasModseq) modseqs.push(believed.modseqs[position]!)
  }
  if (modseqs.length === 0) return { numbers, modseq: undefined }
  // RFC 4731 §3.2: with MIN or MAX only, the mod-sequences of these two
  const counted = hasAll
    ? modseqs
    : [...(returns.has('MIN') ? [modseqs[0]!] : []), ...(returns.has('MAX') ? [modseqs.at(-1)!] : [])]
  return { numbers, modseq: counted.length === 0 ? undefined : counted.reduce((one, other) => Math.max(one, other)) }
}

/** RFC 4731 §3.1: MIN, MAX and ALL are left out of an empty result. */
function formatResult({ numbers, modseq }: SearchResult, wanted: ReadonlySet<SearchReturn>): string {
  let text = ''
  if (numbers.length > 0) {
    if (wanted.has('MIN')) text += ` MIN ${numbers[0]}`
    if (wanted.has('MAX')) text += ` MAX ${numbers.at(-1)}`
    if (wanted.has('ALL')) text += ` ALL ${formatSet(numbers)}`
  }
  if (wanted.has('COUNT')) text += ` COUNT ${numbers.length}`
  return modseq === undefined ? text : `${text} MODSEQ ${modseq}`
}
