/** STARTTLS (RFC 9051 §6.2.1). */
import type { ImapSession } from '../session/imap-session.ts'

/** @returns undefined: the answer has been sent, since everything after it is encrypted */
export async function startTls(session: ImapSession, tag: string): Promise<string | undefined> {
  const { peer, output, input } = session
  if (peer.isTls()) return 'BAD TLS is active already'
  if (!peer.canStartTls()) return 'NO [UNAVAILABLE] TLS is not available'
  output.write(`${tag} OK begin TLS\r\n`)
  await output.flush()
  // What was sent before the handshake may be from anyone on the path (RFC 9051 §11.1, CVE-2011-0411).
  input.discard()
  session.failedLogins = 0
  peer.startTls()
  return undefined
}
