/** LOGIN and AUTHENTICATE (RFC 9051 §6.2.2, §6.2.3) with PLAIN (RFC 4616), LOGIN and SASL-IR (RFC 4959). */
import { loggedText } from '../../../log.ts'
import type { AuthenticateCommand } from '../grammar/imap-command.ts'
import { decodeUtf8 } from '../grammar/imap-syntax.ts'
import { capabilitiesOf, mayLogIn } from '../session/capabilities.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { ImapRefusal, type MailAccount } from '../session/mail-store.ts'

interface UserPassword {
  readonly user: string
  readonly password: string
}

export function login(session: ImapSession, { user, password }: UserPassword): Promise<string> | string {
  if (!mayLogIn(session)) return 'NO [PRIVACYREQUIRED] begin TLS before you log in'
  return logIn(session, 'LOGIN', { user, password })
}

export async function authenticate(session: ImapSession, command: AuthenticateCommand): Promise<string> {
  if (!mayLogIn(session)) return 'NO [PRIVACYREQUIRED] begin TLS before you log in'
  const { mechanism, initial } = command
  if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') return 'NO [CANNOT] this mechanism is not supported'
  const credentials = mechanism === 'PLAIN' ? await readPlain(session, initial) : await readLogin(session, initial)
  if (credentials === 'cancelled') return 'BAD AUTHENTICATE cancelled' // RFC 9051 §6.2.2
  if (credentials === 'malformed') return 'BAD the response is not what the mechanism needs'
  return logIn(session, 'AUTHENTICATE', credentials)
}

type Credentials = UserPassword | 'cancelled' | 'malformed'

/** RFC 4616 §2: [authorization identity] NUL user NUL password. The identity must be the user itself. */
async function readPlain(session: ImapSession, initial: string | undefined): Promise<Credentials> {
  const response = initial === undefined ? await challenge(session, '') : decode(initial === '=' ? '' : initial)
  if (response === 'cancelled' || response === undefined) return response ?? 'malformed'
  const [identity, user, password, ...rest] = response.text.split('\0')
  if (identity === undefined || !user || !password || rest.length > 0) return 'malformed'
  return { user: identity === '' || identity === user ? user : '', password }
}

async function readLogin(session: ImapSession, initial: string | undefined): Promise<Credentials> {
  const user = initial === undefined ? await challenge(session, 'Username:') : decode(initial === '=' ? '' : initial)
  if (user === 'cancelled' || user === undefined) return user ?? 'malformed'
  const password = await challenge(session, 'Password:')
  if (password === 'cancelled' || password === undefined) return password ?? 'malformed'
  return { user: user.text, password: password.text }
}

/** @returns undefined if the response is not base64 of UTF-8 */
async function challenge(session: ImapSession, text: string): Promise<{ text: string } | 'cancelled' | undefined> {
  const { input, output, limits } = session
  output.write(`+ ${Buffer.from(text).toString('base64')}\r\n`)
  await output.flush()
  const line = await input.line(limits.imap.earlyCommandBytesMax)
  return line === '*' ? 'cancelled' : decode(line)
}

function decode(base64: string): { text: string } | undefined {
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined
  const text = decodeUtf8(Buffer.from(base64, 'base64').toString('latin1'))
  return text === undefined ? undefined : { text }
}

/**
 * For operators, and for programs that block addresses: `reason` as in the line of a refused SMTP login. `loginsMax` bounds the lines of a
 * connection. A user that is no address is not logged: it may be a key or a password in the wrong field.
 */
function logRefusal({ services, peer }: ImapSession, user: string, { code, reason, message }: ImapRefusal): void {
  const account = user.includes('@') ? loggedText(user) : undefined
  const { id, remoteAddress } = peer
  services.log.info({ session: id, remoteAddress, code, reason, account, text: message }, 'IMAP login refused')
}

async function logIn(session: ImapSession, command: string, { user, password }: UserPassword): Promise<string> {
  const { services, peer } = session
  let account: MailAccount
  try {
    account = await services.store.logIn({ user, password, remoteAddress: peer.remoteAddress }, peer.ended)
  } catch (error) {
    if (!(error instanceof ImapRefusal)) throw error
    session.failedLogins += 1
    logRefusal(session, user, error)
    if (session.failedLogins >= services.limits.imap.loginsMax) peer.end('too many failed logins')
    throw error
  }
  if (peer.ended.aborted || !services.accounts.enter(account.name)) {
    account.close()
    throw new ImapRefusal('LIMIT', 'this inbox has too many connections')
  }
  session.account = account
  services.log.debug({ session: peer.id, remoteAddress: peer.remoteAddress, account: account.name }, 'IMAP login')
  void account.untilRevoked(peer.ended).then(() => {
    if (peer.ended.aborted) return
    // A command that runs could read on for hours, if its client reads slowly.
    if (session.isRunning && !session.isIdling) peer.cut()
    else peer.end('the credential has been revoked')
  })
  return `OK [CAPABILITY ${capabilitiesOf(session)}] ${command} completed`
}
