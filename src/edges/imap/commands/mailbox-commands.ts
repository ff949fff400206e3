/** CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8). The store knows the rules. */
import type { ImapSession } from '../session/imap-session.ts'

export async function create(session: ImapSession, mailbox: string): Promise<string> {
  const { mailboxId } = await session.requireAccount().create(mailbox)
  return `OK [MAILBOXID (${mailboxId})] CREATE completed` // RFC 8474 §4.1
}

export async function remove(session: ImapSession, mailbox: string): Promise<string> {
  await session.requireAccount().delete(mailbox)
  return 'OK DELETE completed'
}

export async function rename(session: ImapSession, from: string, to: string): Promise<string> {
  await session.requireAccount().rename(from, to)
  return 'OK RENAME completed'
}

export async function subscribe(session: ImapSession, mailbox: string, isSubscribed: boolean): Promise<string> {
  await session.requireAccount().setSubscribed(mailbox, isSubscribed)
  return `OK ${isSubscribed ? 'SUBSCRIBE' : 'UNSUBSCRIBE'} completed`
}
