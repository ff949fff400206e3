/**
 * What another server's answer, or its silence, means for a recipient, in words for the agent's owner. Pure.
 *
 * The server's own word decides where there is one: 2xx delivered, 5xx for good, all else for now (RFC 5321 §4.2.1).
 * Where there is none, the mail is tried again: only DNS can say for good that there is nobody to talk to.
 */
import type { MxFailure, MxFailureKind } from '../../net/mx.ts'
import type { SmtpFailure, SmtpResult } from '../../net/smtp-session.ts'
import type { Outcome } from './target.ts'

/** Who was talked to. */
export interface Remote {
  /** Name of the server, as sentences name it. */
  readonly name: string
  /** As `Outcome.remote`. */
  readonly place: string
  /** As `Outcome.tls`. */
  readonly tls?: string | undefined
}

/** RFC 3463 codes for what happened before there was anybody to say one; the classes 5 and 4 say whether it is for good. */
const MX_CODES: Readonly<Record<MxFailureKind, string>> = {
  no_such_domain: '5.1.2', // bad destination system address
  no_mail_server: '5.4.4', // unable to route
  null_mx: '5.1.10', // RFC 7505 §4.2
  loop: '5.4.6', // RFC 5321 §5.1
  // For good, although the operator could allow it: waiting three days would help nobody, and the reason be told late.
  private_network: '5.4.4',
  dns_failed: '4.4.3', // directory server failure
  unreachable: '4.4.1', // no answer from host
}

export function mxOutcome(domain: string, failure: MxFailure): Outcome {
  const enhancedCode = MX_CODES[failure.kind]
  const isForGood = enhancedCode.startsWith('5')
  const fix = {
    private_network: ', which this server may not call (MARTLET_ALLOW_PRIVATE_NETWORKS)',
    no_such_domain: '; check the address',
  } as Readonly<Record<string, string>>
  const reply = `The mail cannot go to ${domain}: ${failure.detail}${fix[failure.kind] ?? ''}${isForGood ? '' : '; it is tried again'}`
  return { kind: isForGood ? 'failed_for_good' : 'failed_for_now', enhancedCode, reply }
}

export function smtpOutcome(remote: Remote, result: SmtpResult): Outcome {
  if ('failure' in result) return failureOutcome(remote, result.failure)
  const { code, enhancedCode, text } = result.reply
  const words = { code, ...(enhancedCode !== undefined && { enhancedCode }), ...where(remote) }
  if (code >= 200 && code < 300) return { kind: 'delivered', ...words, reply: text }
  const what = { MAIL: 'mail from this sender', RCPT: 'mail for this address', DATA: 'this mail' }[result.command]
  // RFC 5321 §4.2.1: 5xx is for good; what is no reply at all ("354 go on" at the end) may be better next time.
  const isForGood = code >= 500 && code < 600
  return isForGood
    ? { kind: 'failed_for_good', ...words, reply: `${remote.name} refuses ${what}: ${text}` }
    : {
        kind: 'failed_for_now',
        ...words,
        reply: `${remote.name} does not take ${what} now; it is tried again: ${text}`,
      }
}

export function failureOutcome(remote: Remote, failure: SmtpFailure): Outcome {
  const { reply, stage, isTimeout } = failure
  const said = reply ? `: ${reply.text}` : ''
  const what =
    stage === 'tls'
      ? `could not agree with this server on TLS (${failure.message})`
      : `${isTimeout ? 'gave no answer in time' : reply ? 'ended the session' : 'broke the connection'} ${WHEN[stage]}`
  return {
    kind: 'failed_for_now',
    ...(reply && { code: reply.code }),
    enhancedCode: reply?.enhancedCode ?? (isTimeout ? '4.4.1' : stage === 'tls' ? '4.7.5' : '4.4.2'), // RFC 3463 §3.5
    ...where(remote),
    reply: `${remote.name} ${what}${stage === 'sent' ? SENT : '; the mail is tried again'}${said}`,
  }
}

const WHEN: Readonly<Record<SmtpFailure['stage'], string>> = {
  greeting: 'before it took any mail',
  tls: '',
  login: 'during the login',
  envelope: 'before it took the mail',
  mail: 'in the middle of the mail',
  sent: 'after it had got the whole mail',
}

/** RFC 5321 §6.1: better twice than not at all. */
const SENT = '; whether it took the mail is not known, so it is tried again and may arrive twice'

function where({ place, tls }: Remote): Pick<Outcome, 'remote' | 'tls'> {
  return { remote: place, ...(tls !== undefined && { tls }) }
}
