/** EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). */
import type { MessageSet } from '../grammar/message-set.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'
import { resolveSet, uidsAt } from './resolve-set.ts'
import { READ_ONLY } from './store-command.ts'

/** @param set undefined: the whole mailbox */
export async function expunge(session: ImapSession, set: MessageSet | undefined): Promise<string> {
  const selected = session.requireSelected()
  if (selected.isReadOnly) return READ_ONLY
  await selected.mailbox.expunge(set && uidsAt(resolveSet(selected, set, true), selected.believed.uids))
  return `OK ${await reportExpunged(session, selected)}EXPUNGE completed`
}

/**
 * Reports what has vanished, also if more commands wait: it is the answer to this one.
 *
 * @returns HIGHESTMODSEQ with a space after it, if the client wants it (RFC 7162 §3.2.7)
 */
export async function reportExpunged(session: ImapSession, selected: SelectedMailbox): Promise<string> {
  await selected.mailbox.refresh()
  const before = selected.believed
  await session.report({ mayExpunge: true })
  const { believed } = selected
  return session.isCondstore && believed !== before ? `[HIGHESTMODSEQ ${believed.highestModseq}] ` : ''
}
