/**
 * Every reply of the SMTP edge, once: code, enhanced code (RFC 3463) and text; and the translation of core errors.
 *
 * The text is for the postmaster of the other side and says what to do; it contains no internals. Greeting, EHLO and
 * 3xx have no enhanced code (RFC 2034 §4). All other replies have exactly one, in its own field, so that it can be
 * neither missing nor repeated.
 */
import type { ErrorKind } from '../../../errors/error-definition.ts'
import { type ErrorCode, MailError } from '../../../errors.ts'
import type { Receipt } from '../../../mail/receiving/arrival.ts'

export interface Reply {
  readonly code: number
  readonly enhancedCode?: string
  /** Several lines make a multi-line reply (RFC 5321 §4.2.1). */
  readonly text: string | readonly string[]
  /** The reason of a refusal, a label of `martlet_smtp_refusals_total`: an error code or a word from this file. */
  readonly reason?: string
  /** Not sent: the connection is closed as by a crash, and the peer retries (RFC 5321 §4.2.5). */
  readonly isDropped?: true
}

export const replies = {
  // Success
  greeting: (hostname: string): Reply => ({ code: 220, text: `${hostname} ESMTP Martlet` }),
  hello: (lines: readonly string[]): Reply => ({ code: 250, text: lines }),
  senderOk: ok(250, '2.1.0', 'Sender ok'),
  recipientOk: ok(250, '2.1.5', 'Recipient ok'),
  queued,
  loggedIn: ok(235, '2.7.0', 'Authentication successful'), // RFC 4954 §6
  /** @param text of the mechanism, in base64 */
  challenge: (text: string): Reply => ({ code: 334, text }),
  startMail: { code: 354, text: 'End data with <CR><LF>.<CR><LF>' } satisfies Reply,
  filed,
  ok: ok(250, '2.0.0', 'Ok'),
  bye: ok(221, '2.0.0', 'Bye'),
  startTls: ok(220, '2.0.0', 'Ready to start TLS'),
  help: (domain: string): Reply => ok(214, '2.0.0', `See RFC 5321; postmaster@${domain} reaches the operator`),
  // RFC 5321 §3.5.3: 252 for a server that does not reveal which mailboxes exist (§7.3 allows that).
  cannotVerify: ok(252, '2.0.0', 'Cannot verify the address; send the message to find out'),

  // Wrong command
  unknownCommand: refusal(500, '5.5.1', 'syntax', 'Command not recognized'),
  unreadable: refusal(500, '5.5.2', 'syntax', 'Commands are UTF-8 text without control characters'),
  // RFC 5321 §4.5.3.1.9: 500 "Line too long".
  lineTooLong: refusal(500, '5.5.2', 'limit', 'Line too long'),
  notImplemented: refusal(502, '5.5.1', 'syntax', 'Command not implemented'),
  syntax: (usage: string): Reply => refusal(501, '5.5.4', 'syntax', `Syntax: ${usage}`),
  helloSyntax: { code: 501, text: 'Syntax: EHLO hostname', reason: 'syntax' } satisfies Reply,
  unknownParameter: (name: string): Reply => refusal(555, '5.5.4', 'syntax', `Parameter ${name} is not supported`),
  badSender: refusal(501, '5.1.7', 'syntax', 'The sender is not a valid address'),
  badRecipient: refusal(501, '5.1.3', 'syntax', 'The recipient is not a valid address'),
  // RFC 6531 §3.5.
  needsSmtpUtf8: refusal(553, '5.6.7', 'syntax', 'Non-ASCII addresses need the parameter SMTPUTF8 on MAIL FROM'),

  // RFC 4954 §4, §6
  badBase64: refusal(501, '5.5.2', 'syntax', 'The response is not valid base64 of this mechanism'),
  loginLineTooLong: refusal(500, '5.5.6', 'limit', 'The response is too long'),
  loginCancelled: refusal(501, '5.7.0', 'cancelled', 'Authentication cancelled'),
  unknownMechanism: refusal(504, '5.5.4', 'syntax', 'Use AUTH PLAIN or AUTH LOGIN'),
  tlsBeforeLogin: refusal(538, '5.7.11', 'login', 'Encryption is required before AUTH; send STARTTLS'),
  loginFirst: refusal(530, '5.7.0', 'login', 'Authentication is required'),
  // RFC 3207 §4
  tlsFirst: refusal(530, '5.7.0', 'login', 'Send STARTTLS first, then AUTH'),
  loggedInAlready: refusal(503, '5.5.1', 'sequence', 'You are authenticated already'),
  loginInTransaction: refusal(503, '5.5.1', 'sequence', 'AUTH is not possible in a transaction; send RSET first'),
  revoked: refusal(421, '4.7.0', 'revoked', 'The password was revoked or changed; log in again'),

  // Wrong order of commands
  helloFirst: refusal(503, '5.5.1', 'sequence', 'Send EHLO first'),
  mailFirst: refusal(503, '5.5.1', 'sequence', 'Send MAIL first'),
  nestedMail: refusal(503, '5.5.1', 'sequence', 'A transaction is under way; send RSET to abort it'),
  alreadySecure: refusal(503, '5.5.1', 'sequence', 'TLS is active already'),
  // RFC 5321 §3.3: DATA after no accepted RCPT.
  noRecipients: refusal(554, '5.5.1', 'sequence', 'No valid recipients'),

  // Limits
  tooBig: (bytesMax: number): Reply => replyForError(new MailError('message_too_large', { limitBytes: bytesMax })),
  tooManyRecipients: refusal(452, '4.5.3', 'limit', 'Too many recipients; send the rest in another transaction'),
  tooManyConnections: refusal(421, '4.7.0', 'limit', 'Too many connections; try again later'),
  // RFC 3463 §3.4 X.3.2: the system accepts no mail on this connection, for a temporary reason.
  evicted: refusal(
    421,
    '4.3.2',
    'evicted',
    'The connection limit is reached and this one was not in use; connect again',
  ),
  // RFC 3463 §3.5 X.4.5: the system is congested.
  overloaded: refusal(421, '4.4.5', 'overloaded', 'The server is overloaded; try again later'),
  tooManyCommands: refusal(421, '4.7.0', 'limit', 'Too many commands in one connection'),
  tooManyErrors: refusal(421, '4.7.0', 'limit', 'Too many errors in one connection'),
  idle: refusal(421, '4.4.2', 'idle', 'Idle for too long; closing the connection'),
  earlyTalker: refusal(421, '4.7.0', 'early_talker', 'Wait for the greeting before you send'),
  notSmtp: refusal(421, '4.7.0', 'not_smtp', 'This is an SMTP server'),
  shuttingDown: refusal(421, '4.3.2', 'shutting_down', 'The server is shutting down; try again in a moment'),
}

/** SMTP code and enhanced code of the catalogue entries that receiving and submission throw. */
const byCode: Partial<Record<ErrorCode, readonly [number, string]>> = {
  unknown_recipient: [550, '5.1.1'],
  inbox_paused: [450, '4.2.1'], // RFC 3463 §3.3 X.2.1: the mailbox accepts no messages, for a while
  domain_not_verified: [450, '4.3.5'], // RFC 3463 §3.4 X.3.5: the system is not configured yet to accept it
  // RFC 3463 §3.3 X.2.2: the mailbox is full. It may have space again before the sender stops to retry.
  inbox_full: [452, '4.2.2'],
  sender_rate_exceeded: [450, '4.7.1'], // RFC 3463 §3.8 X.7.1: not authorized, here for a while
  recipient_rate_exceeded: [450, '4.7.1'],
  spam_rejected: [550, '5.7.1'],
  spam_deferred: [451, '4.7.1'],
  mail_loop: [554, '5.4.6'], // RFC 3463 §3.5 X.4.6: routing loop detected
  dmarc_rejected: [550, '5.7.26'], // RFC 7372 §3.3: multiple authentication checks failed
  relaying_denied: [550, '5.7.1'], // RFC 3463 §3.8 X.7.1: the server may not deliver this message
  login_failed: [535, '5.7.8'], // RFC 4954 §6
  login_forbidden: [535, '5.7.8'],
  unknown_api_key: [530, '5.7.0'], // revoked during the transaction
  sender_not_allowed: [553, '5.7.1'],
  malformed_message: [554, '5.6.0'], // RFC 3463 §3.7 X.6.0
  validation_error: [554, '5.6.0'], // a malformed idempotency key
  message_too_large: [552, '5.3.4'],
  parse_queue_full: [451, '4.3.2'],
  disk_full: [452, '4.3.1'],
  unavailable: [451, '4.3.0'],
  shutting_down: [421, '4.3.2'],
  internal_error: [451, '4.3.0'],
  idempotency_conflict: [554, '5.6.0'], // another message has the key: a retry cannot help
}

/** For an entry that is not in `byCode`. A 5xx loses the message, so only errors that no retry can solve get one. */
const byKind: Partial<Record<ErrorKind, readonly [number, string]>> = {
  rejected: [550, '5.7.1'],
  forbidden: [550, '5.7.1'],
  not_found: [550, '5.1.1'],
  too_large: [552, '5.3.4'],
  rate_limited: [451, '4.7.1'],
}

/** Returns the reply for an error of the core. Errors other than MailError are bugs, so the reply gives no details. */
export function replyForError(error: unknown): Reply {
  if (!(error instanceof MailError)) return refusal(451, '4.3.0', 'internal_error', 'Internal error; try again later')
  const reason: ErrorCode = error.code
  if (error.kind === 'unknown') return { ...refusal(451, '4.3.0', reason, error.message), isDropped: true }
  const [code, enhancedCode] = byCode[reason] ?? byKind[error.kind] ?? [451, '4.3.0']
  return refusal(code, enhancedCode, reason, error.message)
}

/**
 * Formats the reply for the wire. Replaces control characters with spaces: otherwise one could end the line, and text
 * of the peer (an echoed address) could become a reply.
 */
export function formatReply(reply: Reply): string {
  const { code, enhancedCode, text } = reply
  // RFC 2034 §4: on each line of a multi-line reply.
  const prefix = enhancedCode === undefined ? '' : `${enhancedCode} `
  const format = (line: string, separator: string) => `${code}${separator}${prefix}${line.replace(/\p{Cc}/gu, ' ')}\r\n`
  if (typeof text === 'string') return format(text, ' ')
  return text.map((line, index) => format(line, index < text.length - 1 ? '-' : ' ')).join('')
}

/** RFC 5321 §4.5.3.1.5 limits a reply line to 512 octets, so only the first of many ids is included. */
function filed(receipts: readonly Receipt[]): Reply {
  const [first, ...others] = receipts.filter((receipt) => !receipt.isDropped)
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  return ok(250, '2.0.0', first ? `Ok: filed as ${first.id}${more}` : 'Ok')
}

/** A Message-ID can be too long for a reply line. @param id the Message-ID that the API shows */
function queued(id: string): Reply {
  return ok(250, '2.0.0', id.length <= QUEUED_ID_CHARS_MAX ? `Ok: queued as ${id}` : 'Ok: queued')
}

const QUEUED_ID_CHARS_MAX = 400

function ok(code: number, enhancedCode: string, text: string): Reply {
  return { code, enhancedCode, text }
}

function refusal(code: number, enhancedCode: string, reason: string, text: string): Reply {
  return { code, enhancedCode, reason, text }
}
