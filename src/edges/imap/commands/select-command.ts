/** SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3), CLOSE and UNSELECT (§6.4.1, §6.4.2). */
import type { SelectCommand } from '../grammar/imap-command.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { Snapshot } from '../session/mail-store.ts'
import { SelectedMailbox } from '../session/selected-mailbox.ts'
import { resynchronise } from './resynchronise.ts'

export async function select(session: ImapSession, command: SelectCommand): Promise<string> {
  const { name, mailbox, qresync, isCondstore } = command
  if (qresync && !session.isQresync) return 'BAD QRESYNC must be enabled first' // RFC 7162 §3.2.5
  if (session.selected) {
    session.deselect() // also if the new one cannot be opened (RFC 9051 §6.3.2)
    session.untagged('OK [CLOSED] the previous mailbox is closed')
  }
  const opened = await session.requireAccount().open(mailbox)
  let snapshot: Snapshot
  try {
    snapshot = await opened.refresh()
  } catch (error) {
    opened.close()
    throw error
  }
  const isReadOnly = opened.isReadOnly || name === 'EXAMINE'
  const selected = new SelectedMailbox(opened, isReadOnly, snapshot)
  session.selected = selected
  if (isCondstore) session.isCondstore = true
  describe(session, selected)
  if (qresync && qresync.uidValidity === opened.uidValidity) await resynchronise(session, selected, qresync)
  return `OK [READ-${isReadOnly ? 'ONLY' : 'WRITE'}] ${name} completed`
}

function describe(session: ImapSession, selected: SelectedMailbox): void {
  const { mailbox, believed, isReadOnly } = selected
  session.output.write(selected.flagsResponse())
  session.untagged(`${believed.uids.length} EXISTS`)
  if (session.isRev2) {
    session.untagged(`LIST () "/" ${session.formatMailbox(mailbox.name)}`) // RFC 9051 §6.3.2
  } else {
    session.untagged('0 RECENT')
    const unseen = believed.flags.findIndex((flags) => !flags.includes('\\Seen'))
    if (unseen !== -1) session.untagged(`OK [UNSEEN ${unseen + 1}] first unseen message`)
  }
  // RFC 9051 §7.1, PERMANENTFLAGS: without "\*", a client may store the keywords that exist already.
  const permanent = isReadOnly ? [] : [...selected.permanentFlags(), ...(mailbox.mayAddKeywords ? ['\\*'] : [])]
  session.untagged(`OK [PERMANENTFLAGS (${permanent.join(' ')})] flags that can be changed`)
  session.untagged(`OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs are valid`)
  session.untagged(`OK [UIDNEXT ${believed.uidNext}] next UID`)
  session.untagged(`OK [HIGHESTMODSEQ ${believed.highestModseq}] highest mod-sequence`) // RFC 7162 §3.1.2.1
  session.untagged(`OK [MAILBOXID (${mailbox.mailboxId})] id of the mailbox`) // RFC 8474 §4.2
}

export async function close(session: ImapSession): Promise<string> {
  const selected = session.requireSelected()
  try {
    // RFC 9051 §6.4.1: no EXPUNGE responses, and nothing is removed after EXAMINE
    if (!selected.isReadOnly) await selected.mailbox.expunge()
  } finally {
    session.deselect()
  }
  return 'OK CLOSE completed'
}

export function unselect(session: ImapSession): string {
  session.deselect()
  return 'OK UNSELECT completed'
}
