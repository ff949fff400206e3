/** Commands of every state (RFC 9051 §6.1), ENABLE (§6.3.1, RFC 5161), NAMESPACE (§6.3.10) and CHECK (RFC 3501 §6.4.1). */

import { formatString } from '../grammar/response-strings.ts'
import { capabilitiesOf } from '../session/capabilities.ts'
import type { ImapSession } from '../session/imap-session.ts'

export function capability(session: ImapSession): string {
  session.untagged(`CAPABILITY ${capabilitiesOf(session)}`)
  return 'OK CAPABILITY completed'
}

/** The changes are reported after every command (run-command.ts), so that there is nothing left to do. */
export function noop(): string {
  return 'OK NOOP completed'
}

export function check(): string {
  return 'OK CHECK completed'
}

export function logout(session: ImapSession): string {
  session.untagged('BYE logging out')
  session.isOver = true
  return 'OK LOGOUT completed'
}

/** RFC 2971 §3: the fields of the client go to the log only. */
export function id(session: ImapSession, fields: readonly (readonly [string, string | undefined])[]): string {
  const { log, serverId } = session.services
  if (fields.length > 0) log.debug({ session: session.peer.id, fields: Object.fromEntries(fields) }, 'IMAP client')
  const answer = Object.entries(serverId).flatMap(([name, value]) => [formatString(name), formatString(value)])
  session.untagged(`ID ${answer.length === 0 ? 'NIL' : `(${answer.join(' ')})`}`)
  return 'OK ID completed'
}

/** RFC 5161 §3.1: unknown capabilities are ignored, and those that were enabled before are not listed again. */
export function enable(session: ImapSession, capabilities: readonly string[]): string {
  const enabled: string[] = []
  for (const name of capabilities) {
    if (name === 'CONDSTORE' && !session.isCondstore) session.isCondstore = true
    else if (name === 'QRESYNC' && !session.isQresync)
      session.isQresync = session.isCondstore = true // RFC 7162 §3.2.3
    else if (name === 'UTF8=ACCEPT' && !session.isUtf8Accept) session.isUtf8Accept = true
    else if (name === 'IMAP4REV2' && !session.isRev2) session.isRev2 = true
    else continue
    enabled.push(name === 'IMAP4REV2' ? 'IMAP4rev2' : name)
  }
  session.untagged(['ENABLED', ...enabled].join(' '))
  return 'OK ENABLE completed'
}

/** One personal namespace, with the same delimiter as LIST (RFC 2342 §5). */
export function namespace(session: ImapSession): string {
  session.untagged('NAMESPACE (("" "/")) NIL NIL')
  return 'OK NAMESPACE completed'
}
