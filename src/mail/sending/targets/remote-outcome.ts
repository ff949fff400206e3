/**
 * Turns a remote server's reply, or its absence, into an outcome for a recipient, with a text for the agent's owner.
 * Pure.
 *
 * A server's reply decides if there is one: 2xx delivered, 5xx permanent (except 552 for too many recipients, and 530), everything
 * else temporary (RFC 5321 §4.2.1).
 * Without a reply, delivery is retried: only DNS can establish a permanent failure.
 */
import type { MxFailure, MxFailureKind } from '../../../net/dns/mx-failure.ts'
import type { SmtpFailure, SmtpResult } from '../../../net/smtp/smtp-failure.ts'
import type { Outcome } from './delivery-target.ts'

/** The remote server. */
export interface Remote {
  /** Name of the server, for use in sentences. */
  readonly name: string
  /** As `Outcome.remote`. */
  readonly endpoint: string
  /** As `Outcome.tls`. */
  readonly tls?: string | undefined
}

/** RFC 3463 codes for failures before any server replied. Class 5 is permanent, class 4 temporary. */
const MX_CODES: Readonly<Record<MxFailureKind, string>> = {
  no_such_domain: '5.1.2', // bad destination system address
  no_mail_server: '5.4.4', // unable to route
  null_mx: '5.1.10', // RFC 7505 §4.2
  loop: '5.4.6', // RFC 5321 §5.1
  // Permanent, although the operator could allow it: three days of retries would not help, and would report the reason
  // late.
  private_network: '5.4.4',
  dns_failed: '4.4.3', // directory server failure
  unreachable: '4.4.1', // no answer from host
}

export function mxOutcome(domain: string, failure: MxFailure): Outcome {
  const enhancedCode = MX_CODES[failure.kind]
  const isForGood = enhancedCode.startsWith('5')
  const fix = {
    private_network: ', to which this server may not connect (MARTLET_ALLOW_PRIVATE_NETWORKS)',
    no_such_domain: '; check the address',
  } as Readonly<Record<string, string>>
  const reply = `Cannot deliver to ${domain}: ${failure.detail}${fix[failure.kind] ?? ''}${isForGood ? '' : RETRY}`
  return { kind: isForGood ? 'failed_for_good' : 'failed_for_now', enhancedCode, reply }
}

/** @param recipientCount of the message */
export function smtpOutcome(remote: Remote, result: SmtpResult, recipientCount: number): Outcome {
  if ('failure' in result) return failureOutcome(remote, result.failure)
  const { code, enhancedCode, text } = result.reply
  const facts = { code, ...(enhancedCode !== undefined && { enhancedCode }), ...serverFields(remote) }
  if (code >= 200 && code < 300) return { kind: 'delivered', ...facts, reply: text }
  const what = { MAIL: 'mail from this sender', RCPT: 'mail for this address', DATA: 'this message' }[result.command]
  // RFC 5321 §4.2.1: 5xx is permanent. A reply that makes no sense here (354 at the end) may be different next time.
  const isForGood = code >= 500 && code < 600 && code !== SESSION_REFUSED && !isTooManyRecipients(result)
  const isAboutAllRecipients = result.command === 'MAIL' || (result.command === 'DATA' && recipientCount > 1)
  return isForGood
    ? {
        ...{ kind: 'failed_for_good', ...facts, reply: `${remote.name} rejected ${what}: ${text}` },
        ...(isAboutAllRecipients && { isAboutAllRecipients }),
      }
    : { kind: 'failed_for_now', ...facts, reply: `${remote.name} temporarily rejected ${what}${RETRY}: ${text}` }
}

/**
 * RFC 3207 §4, RFC 4954 §6: the server wants STARTTLS or a login first. That says nothing about the message: this time, TLS may have
 * failed, and the operator can give the relay its password.
 */
const SESSION_REFUSED = 530

/**
 * RFC 5321 §4.5.3.1.10: old servers say 552 instead of 452 to those above their limit; RFC 3463 §3.6 has 5.5.3 for them. Any other
 * enhanced code of class 5 is another reason: a full mailbox, or an unknown one.
 */
function isTooManyRecipients({ command, reply }: Extract<SmtpResult, { command: string }>): boolean {
  return command === 'RCPT' && reply.code === 552 && /^(4\..*|5\.5\.3)$/.test(reply.enhancedCode ?? '5.5.3')
}

export function failureOutcome(remote: Remote, failure: SmtpFailure): Outcome {
  const { reply, stage, isTimeout } = failure
  const text = reply ? `: ${reply.text}` : ''
  const what =
    stage === 'tls'
      ? `and this server could not negotiate TLS (${failure.message})`
      : `${isTimeout ? 'did not answer in time' : reply ? 'ended the session' : 'closed the connection'} ${WHEN[stage]}`
  return {
    kind: 'failed_for_now',
    ...(reply && { code: reply.code }),
    enhancedCode: reply?.enhancedCode ?? (isTimeout ? '4.4.1' : stage === 'tls' ? '4.7.5' : '4.4.2'), // RFC 3463 §3.5
    ...serverFields(remote),
    reply: `${remote.name} ${what}${stage === 'sent' ? RETRY_SENT : RETRY}${text}`,
  }
}

const WHEN: Readonly<Record<SmtpFailure['stage'], string>> = {
  greeting: 'during the greeting',
  tls: '',
  login: 'during the login',
  envelope: 'before the message was sent',
  mail: 'while the message was being sent',
  sent: 'after the whole message was sent',
}

const RETRY = '; will retry'

/** RFC 5321 §6.1: it is better to deliver twice than never. */
const RETRY_SENT = '; it may have accepted the message, so the retry may deliver it twice'

function serverFields({ endpoint, tls }: Remote): Pick<Outcome, 'remote' | 'tls'> {
  return { remote: endpoint, ...(tls !== undefined && { tls }) }
}
