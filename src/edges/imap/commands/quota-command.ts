/** GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1): one quota root, "", for all mailboxes of the account. */
import type { ImapSession } from '../session/imap-session.ts'
import { ImapRefusal } from '../session/mail-store.ts'

/** RFC 9208 §5.1: STORAGE is in units of 1,024 bytes. */
const UNIT_BYTES = 1024

export async function getQuota(session: ImapSession, root: string): Promise<string> {
  if (root !== '') throw new ImapRefusal('NONEXISTENT', 'there is no such quota root')
  await writeQuota(session)
  return 'OK GETQUOTA completed'
}

export async function getQuotaRoot(session: ImapSession, mailbox: string): Promise<string> {
  const mailboxes = await session.requireAccount().list()
  if (!mailboxes.some(({ name }) => name === mailbox)) throw new ImapRefusal('NONEXISTENT', 'no such mailbox')
  session.untagged(`QUOTAROOT ${session.formatMailbox(mailbox)} ""`)
  await writeQuota(session)
  return 'OK GETQUOTAROOT completed'
}

/** RFC 9208 §4.2.1: resources without a limit are left out. */
async function writeQuota(session: ImapSession): Promise<void> {
  const { storage, messages } = await session.requireAccount().quota()
  const resources = [
    ...(storage.maxBytes === undefined
      ? []
      : [`STORAGE ${Math.ceil(storage.usedBytes / UNIT_BYTES)} ${Math.floor(storage.maxBytes / UNIT_BYTES)}`]),
    ...(messages.max === undefined ? [] : [`MESSAGE ${messages.used} ${messages.max}`]),
  ]
  session.untagged(`QUOTA "" (${resources.join(' ')})`)
}
