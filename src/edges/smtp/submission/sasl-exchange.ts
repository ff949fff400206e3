/**
 * The exchange of AUTH (RFC 4954 §4): PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), from the command to the user and the
 * password. No I/O.
 */
import { type Reply, replies } from '../protocol/replies.ts'

export interface UserPassword {
  readonly user: string
  readonly password: string
}

/** What a line of the client leads to: another challenge, the end of the exchange, or what it was about. */
export type SaslStep =
  | { readonly challenge: Reply; readonly next: SaslExchange }
  | { readonly refusal: Reply }
  | UserPassword

/** Reads the next line of the client. */
export type SaslExchange = (line: Buffer | 'too long') => SaslStep

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @param argument of AUTH: the mechanism, and perhaps an initial response */
export function beginExchange(argument: string): SaslStep {
  const [mechanism = '', initial, ...rest] = argument.split(' ').filter((word) => word !== '')
  if (mechanism === '' || rest.length > 0) return { refusal: replies.syntax('AUTH mechanism [initial-response]') }
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return initial === undefined ? ask('', readPlain) : readPlain(decodeInitial(initial))
    case 'LOGIN':
      return initial === undefined ? ask('Username:', readUser) : readUser(decodeInitial(initial))
    default:
      return { refusal: replies.unknownMechanism }
  }
}

/** @param read gets the decoded response; undefined if it is not base64 of UTF-8 */
function ask(challenge: string, read: (text: string | undefined) => SaslStep): SaslStep {
  return {
    challenge: replies.challenge(Buffer.from(challenge).toString('base64')),
    next(line) {
      if (line === 'too long') return { refusal: replies.loginLineTooLong }
      const text = line.toString('latin1').trimEnd()
      return text === '*' ? { refusal: replies.loginCancelled } : read(decode(text))
    },
  }
}

/** RFC 4616 §2: [authorization identity] NUL user NUL password. The identity must be the user itself. */
function readPlain(text: string | undefined): SaslStep {
  const [identity, user, password, ...rest] = text?.split('\0') ?? []
  if (identity === undefined || !user || !password || rest.length > 0) return { refusal: replies.badBase64 }
  return { user: identity === '' || identity === user ? user : '', password }
}

function readUser(user: string | undefined): SaslStep {
  if (user === undefined) return { refusal: replies.badBase64 }
  return ask('Password:', (password) => (password === undefined ? { refusal: replies.badBase64 } : { user, password }))
}

/** RFC 4954 §4: "=" is an empty initial response. */
function decodeInitial(text: string): string | undefined {
  return text === '=' ? '' : decode(text)
}

function decode(text: string): string | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  try {
    return utf8.decode(Buffer.from(text, 'base64'))
  } catch {
    return undefined // not UTF-8; TextDecoder reports that by an exception only
  }
}
