/** The capabilities of a session (RFC 9051 §6.1.1): exactly what is built, for the state that the session is in. */
import type { ImapSession } from './imap-session.ts'

const ALWAYS = ['IMAP4rev1', 'IMAP4rev2', 'LITERAL+', 'SASL-IR', 'ID', 'ENABLE']

const AFTER_LOGIN = [
  ...['NAMESPACE', 'IDLE', 'CHILDREN', 'LIST-EXTENDED', 'LIST-STATUS', 'SPECIAL-USE', 'STATUS=SIZE', 'UNSELECT'],
  ...['UIDPLUS', 'MOVE', 'ESEARCH', 'SEARCHRES', 'WITHIN', 'CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'OBJECTID'],
  ...['SAVEDATE', 'PREVIEW', 'QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE'],
]

export function capabilitiesOf(session: ImapSession): string {
  if (session.account) return [...ALWAYS, ...AFTER_LOGIN].join(' ')
  const { peer } = session
  return [
    ...ALWAYS,
    ...(peer.canStartTls() ? ['STARTTLS'] : []),
    // RFC 9051 §6.2.3: no passwords in clear text
    ...(mayLogIn(session) ? ['AUTH=PLAIN', 'AUTH=LOGIN'] : ['LOGINDISABLED']),
  ].join(' ')
}

export function mayLogIn({ peer }: ImapSession): boolean {
  return peer.isTls() || peer.allowsPlainLogin()
}
