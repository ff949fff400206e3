/** STATUS (RFC 9051 §6.3.11) with SIZE (RFC 8438), HIGHESTMODSEQ (RFC 7162 §3.1.7), MAILBOXID (RFC 8474 §4.3) and DELETED (RFC 9208 §4.1.4). */
import type { StatusCommand, StatusItem } from '../grammar/imap-command.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { MailboxStatus } from '../session/mail-store.ts'

export async function status(session: ImapSession, { mailbox, items }: StatusCommand): Promise<string> {
  const found = await session.requireAccount().status(mailbox)
  await writeStatus(session, mailbox, found, items)
  return 'OK STATUS completed'
}

/** Reports changes of the selected mailbox first: a later EXPUNGE would make the client subtract a message that the number no longer has. */
export async function writeStatus(
  session: ImapSession,
  mailbox: string,
  found: MailboxStatus,
  items: readonly StatusItem[],
): Promise<void> {
  await session.reportChanges({ mayExpunge: true })
  if (items.includes('HIGHESTMODSEQ')) session.isCondstore = true // RFC 7162 §3.1
  const values = items.map((item) => `${item} ${statusValue(item, found)}`)
  session.untagged(`STATUS ${session.formatMailbox(mailbox)} (${values.join(' ')})`)
}

function statusValue(item: StatusItem, found: MailboxStatus): string | number {
  switch (item) {
    case 'MESSAGES':
      return found.messages
    case 'RECENT':
      return 0 // RFC 3501 §2.3.2: no session is the first to see a message (docs/adr/0068)
    case 'UIDNEXT':
      return found.uidNext
    case 'UIDVALIDITY':
      return found.uidValidity
    case 'UNSEEN':
      return found.unseen
    case 'DELETED':
      return found.deleted
    case 'DELETED-STORAGE':
      return found.deletedBytes
    case 'SIZE':
      return found.sizeBytes
    case 'HIGHESTMODSEQ':
      return found.highestModseq
    case 'MAILBOXID':
      return `(${found.mailboxId})`
  }
}
