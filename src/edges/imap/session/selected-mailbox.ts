/**
 * The mailbox that a session has selected, as its client believes it to be: a snapshot, and the untagged responses that lead from
 * it to a later one. Sequence numbers of the client mean positions in `believed` and nothing else.
 *
 * RFC 9051 §7.5.1: EXPUNGE may not be sent while FETCH, STORE or SEARCH with sequence numbers run. Then the client follows
 * the chain only up to the first step in which a message vanished; the rest waits for another command.
 */
import { formatSet, positionOf } from '../grammar/message-set.ts'
import type { Flags, OpenMailbox, Snapshot } from './mail-store.ts'

/** What the client has enabled. */
export interface ReportStyle {
  readonly isCondstore: boolean
  readonly isQresync: boolean
  readonly isRev2: boolean
}

export interface ReportOptions {
  readonly mayExpunge: boolean
  /** The command has UID: its FETCH responses have it too (RFC 9051 §6.4.9). */
  readonly isUid?: boolean
  /** UIDs whose flags the client already knows, with the modseq of these flags. */
  readonly known?: ReadonlyMap<number, number>
}

/** Texts of `Flags`, which sessions share as they share the objects. */
const flagsTexts = new WeakMap<Flags, string>()

const SYSTEM = /^\\/

export class SelectedMailbox {
  readonly mailbox: OpenMailbox
  /** Whether the client has sent EXAMINE, or the login may change nothing. */
  readonly isReadOnly: boolean
  believed: Snapshot
  /** UIDs of the last SEARCH RETURN (SAVE) (RFC 5182); some may have vanished since. */
  saved: readonly number[] = []
  readonly #announced: Set<string>
  /** The sets of flags whose keywords were all announced to the client. */
  readonly #announcedSets = new Set<Flags>()

  constructor(mailbox: OpenMailbox, isReadOnly: boolean, believed: Snapshot) {
    this.mailbox = mailbox
    this.isReadOnly = isReadOnly
    this.believed = believed
    this.#announced = new Set(['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft', ...mailbox.permanentFlags])
    for (const flags of believed.flags) {
      if (this.#announcedSets.has(flags)) continue
      this.#announcedSets.add(flags)
      for (const flag of flags) this.#announced.add(flag)
    }
  }

  close(): void {
    this.mailbox.close()
  }

  /** The response FLAGS (RFC 9051 §7.3.5): every flag that the client may see here. */
  flagsResponse(): string {
    return `* FLAGS (${[...this.#announced].join(' ')})\r\n`
  }

  /** Flags that the client may store, besides new keywords. */
  permanentFlags(): Flags {
    const keywords = [...this.#announced].filter((flag) => !SYSTEM.test(flag))
    return [...new Set([...this.mailbox.permanentFlags, ...keywords])]
  }

  /**
   * Responses that must precede flags with a keyword that is new to the client. They announce all keywords of the snapshot: with one
   * response for each, many keywords would take the square of their number.
   */
  announce(flags: Flags, snapshot: Snapshot): string {
    if (this.#announcedSets.has(flags)) return ''
    if (this.#announcedSets.size > ANNOUNCED_SETS_MAX) this.#announcedSets.clear()
    this.#announcedSets.add(flags)
    if (flags.every((flag) => SYSTEM.test(flag) || this.#announced.has(flag))) return ''
    for (const set of new Set(snapshot.flags)) for (const flag of set) if (!SYSTEM.test(flag)) this.#announced.add(flag)
    return this.flagsResponse()
  }

  /** A FETCH response with the flags of one message, and what else the client must learn with them. */
  flagsFetch(position: number, snapshot: Snapshot, style: ReportStyle, isUid: boolean): string {
    const uid = this.believed.uids[position]!
    const at = snapshot === this.believed ? position : positionOf(snapshot.uids, uid)
    const flags = snapshot.flags[at]!
    return `${this.announce(flags, snapshot)}* ${position + 1} FETCH (${idOf(uid, style, isUid)}FLAGS ${flagsText(flags)}${
      style.isCondstore ? ` MODSEQ (${snapshot.modseqs[at]})` : ''
    })\r\n`
  }

  /**
   * Yields untagged responses for changes since the last report, in pieces between which other work may run: another session may have
   * changed all messages. From the first piece on, the client believes in a later snapshot.
   */
  *report(style: ReportStyle, { mayExpunge, isUid = false, known }: ReportOptions): Generator<string, void> {
    const before = this.believed
    if (!before.next) return
    const { after, vanished, changed } = follow(before, mayExpunge)
    if (after === before) return
    const gone = goneFrom(before, vanished)
    this.believed = after
    let text = formatGone(before, gone, style)
    const leftCount = before.uids.length - gone.length
    if (after.uids.length !== leftCount) text += `* ${after.uids.length} EXISTS\r\n`
    for (const [index, uid] of ascending(changed).entries()) {
      if (index > 0 && index % REPORTED_AT_ONCE === 0) {
        yield text
        text = ''
      }
      if (positionOf(before.uids, uid) === -1) continue // the client will ask for the flags of new messages
      const position = positionOf(after.uids, uid)
      if (position === -1 || known?.get(uid) === after.modseqs[position]) continue
      text += this.flagsFetch(position, after, style, isUid)
    }
    yield text
  }

  /** Whether a change can be reported only with EXPUNGE. */
  hasUnreported(): boolean {
    return this.believed.next !== undefined
  }
}

/** Messages with changed flags in one piece of a report. */
const REPORTED_AT_ONCE = 1_000

/** Keywords that differ per message could make many sets; forgetting them costs only time. */
const ANNOUNCED_SETS_MAX = 1_000

/** "(\Seen $Junk)" */
export function flagsText(flags: Flags): string {
  let text = flagsTexts.get(flags)
  if (text === undefined) {
    text = `(${flags.join(' ')})`
    flagsTexts.set(flags, text)
  }
  return text
}

/** RFC 7162 §3.2.4: with QRESYNC, every FETCH response with flags has the UID. RFC 9051 §7.5.2 prefers it too. */
function idOf(uid: number, { isQresync, isRev2 }: ReportStyle, isUid: boolean): string {
  return isUid || isQresync || isRev2 ? `UID ${uid} ` : ''
}

interface Followed {
  readonly after: Snapshot
  readonly vanished: readonly number[]
  readonly changed: ReadonlySet<number>
}

function follow(before: Snapshot, mayExpunge: boolean): Followed {
  const vanished: number[] = []
  const changed = new Set<number>()
  let after = before
  for (let step = before.next; step; step = after.next) {
    if (!mayExpunge && step.vanished.length > 0) break
    for (const uid of step.vanished) vanished.push(uid)
    for (const uid of step.changed) changed.add(uid)
    after = step.snapshot
  }
  return { after, vanished, changed }
}

/** Ascending positions of messages that the client knows and that have vanished. Messages that came and went are left out. */
function goneFrom(before: Snapshot, vanished: readonly number[]): number[] {
  const positions = vanished.map((uid) => positionOf(before.uids, uid)).filter((position) => position !== -1)
  return positions.sort((one, other) => one - other)
}

function formatGone(before: Snapshot, gone: readonly number[], { isQresync }: ReportStyle): string {
  if (gone.length === 0) return ''
  // RFC 7162 §3.2.10.2
  if (isQresync) return `* VANISHED ${formatSet(gone.map((position) => before.uids[position]!))}\r\n`
  // From the last to the first, so that no number depends on the others (RFC 9051 §7.5.1).
  return gone
    .map((position) => `* ${position + 1} EXPUNGE\r\n`)
    .reverse()
    .join('')
}

function ascending(uids: ReadonlySet<number>): number[] {
  return [...uids].sort((one, other) => one - other)
}
