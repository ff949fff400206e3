/** COPY (RFC 9051 §6.4.7) and MOVE (§6.4.8, RFC 6851), with the UIDs of the copies (UIDPLUS, RFC 4315 §3). */
import type { CopyCommand } from '../grammar/imap-command.ts'
import { formatUidList } from '../grammar/message-set.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { CopyResult } from '../session/mail-store.ts'
import { reportExpunged } from './expunge-command.ts'
import { resolveSet, uidsAt } from './resolve-set.ts'
import { READ_ONLY } from './store-command.ts'

export async function copy(session: ImapSession, { set, isUid, mailbox }: CopyCommand): Promise<string> {
  const selected = session.requireSelected()
  const uids = uidsAt(resolveSet(selected, set, isUid), selected.believed.uids)
  if (uids.length === 0) return 'OK COPY completed'
  return `OK ${copyUid(await selected.mailbox.copy(uids, mailbox))}COPY completed`
}

export async function move(session: ImapSession, { set, isUid, mailbox }: CopyCommand): Promise<string> {
  const selected = session.requireSelected()
  if (selected.isReadOnly) return READ_ONLY
  const uids = uidsAt(resolveSet(selected, set, isUid), selected.believed.uids)
  if (uids.length === 0) return 'OK MOVE completed'
  // RFC 6851 §4.3: COPYUID goes before the EXPUNGE responses
  const code = copyUid(await selected.mailbox.move(uids, mailbox))
  if (code !== '') session.untagged(`OK ${code}messages moved`)
  return `OK ${await reportExpunged(session, selected)}MOVE completed`
}

/** @returns with a space after it; "" if every message had vanished */
function copyUid({ uidValidity, from, to }: CopyResult): string {
  return from.length === 0 ? '' : `[COPYUID ${uidValidity} ${formatUidList(from)} ${formatUidList(to)}] `
}
