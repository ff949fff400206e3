/** STORE and UID STORE (RFC 9051 §6.4.6), also conditional (RFC 7162 §3.1.3). */
import type { StoreCommand } from '../grammar/imap-command.ts'
import { formatSet, positionOf } from '../grammar/message-set.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { FlagChange, Flags, Snapshot } from '../session/mail-store.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'
import { createPositionFinder, resolveSet, uidsAt } from './resolve-set.ts'
import { toModseq } from './resynchronise.ts'

export async function store(session: ImapSession, command: StoreCommand): Promise<string> {
  const selected = session.requireSelected()
  if (selected.isReadOnly) return READ_ONLY
  const { believed, mailbox } = selected
  const uids = uidsAt(resolveSet(selected, command.set, command.isUid), believed.uids)
  const { unchangedSince } = command
  if (unchangedSince !== undefined) session.isCondstore = true // RFC 7162 §3.1
  if (uids.length === 0) return 'OK STORE completed'
  const limit = unchangedSince === undefined ? undefined : toModseq(unchangedSince)
  const { modified } = await mailbox.storeFlags(uids, { how: command.how, flags: command.flags }, limit)
  const latest = await mailbox.refresh()
  await respond(session, selected, command, uids, new Set(modified), latest)
  if (modified.length === 0) return 'OK STORE completed'
  const numbers = command.isUid ? modified : modified.map((uid) => positionOf(believed.uids, uid) + 1)
  return `OK [MODIFIED ${formatSet(numbers)}] conditional STORE failed for these` // RFC 7162 §3.1.3
}

export const READ_ONLY = 'NO [READ-ONLY] the mailbox is read-only'

/** Messages between which other work may run. */
const COMPARED_AT_ONCE = 1_000

async function respond(
  session: ImapSession,
  selected: SelectedMailbox,
  command: StoreCommand,
  uids: readonly number[],
  modified: ReadonlySet<number>,
  latest: Snapshot,
): Promise<void> {
  const findBelieved = createPositionFinder(selected.believed.uids)
  const findLatest = createPositionFinder(latest.uids)
  for (const [index, uid] of uids.entries()) {
    // With .SILENT, nothing is written that would fill the output.
    if (index % COMPARED_AT_ONCE === COMPARED_AT_ONCE - 1) await session.services.work.wait()
    const position = findBelieved(uid)
    const at = findLatest(uid)
    if (at === -1 || modified.has(uid)) continue // vanished, which is no error; or reported as another's change
    if (!command.isSilent) {
      session.output.write(selected.flagsFetch(position, latest, session, command.isUid))
    } else if (!isAsExpected(selected.believed.flags[position]!, command, latest.flags[at]!)) {
      continue // RFC 9051 §6.4.6: .SILENT covers only this change; another's is reported with the others
    } else if (session.isCondstore) {
      // RFC 7162 §3.1.3: also with .SILENT, the client needs the new mod-sequence
      session.output.write(`* ${position + 1} FETCH (UID ${uid} MODSEQ (${latest.modseqs[at]}))\r\n`)
    }
    session.reported.set(uid, latest.modseqs[at]!)
    if (session.output.isFull) await session.breathe()
  }
}

/** Whether the flags are those that a client computes which knows only of its own change. */
function isAsExpected(before: Flags, { how, flags }: FlagChange, after: Flags): boolean {
  const folded = (list: readonly string[]) => list.map((flag) => flag.toLowerCase())
  const expected = new Set(how === 'replace' ? [] : folded(before))
  for (const flag of folded(flags)) {
    if (how === 'remove') expected.delete(flag)
    else expected.add(flag)
  }
  return after.length === expected.size && folded(after).every((flag) => expected.has(flag))
}
