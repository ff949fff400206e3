/**
 * The submission servers: mail programs log in and send, on a port with STARTTLS and on one with implicit TLS (RFC 8314 §3.3). Both
 * share their limits of connections. The listener is protocol/smtp-listener.ts.
 */
import { submissionAddress, submissionsAddress } from '../../../config/listen-address.ts'
import {
  createSmtpConnectionLimits,
  createSmtpListener,
  type SmtpListener,
  type SmtpListenerNeeds,
  type SmtpRole,
} from '../protocol/smtp-listener.ts'
import { createSubmissionRules, type SubmissionRulesNeeds } from './submission-rules.ts'

export type SubmissionServersNeeds = SmtpListenerNeeds & SubmissionRulesNeeds

export interface SubmissionServers {
  /** undefined: the port is off. */
  readonly submission: SmtpListener | undefined
  readonly submissions: SmtpListener | undefined
}

export function createSubmissionServers(needs: SubmissionServersNeeds): SubmissionServers {
  const { config } = needs
  const connectionLimits = createSmtpConnectionLimits(config.limits)
  const open = (role: Pick<SmtpRole, 'name' | 'address' | 'isImplicitTls'>): SmtpListener | undefined =>
    role.address.port === 'off'
      ? undefined
      : createSmtpListener(needs, {
          ...role,
          connectionLimits,
          isOverloaded: () => false,
          createRules: (peer) => createSubmissionRules(needs, peer),
        })
  return {
    submission: open({ name: 'submission', address: submissionAddress(config), isImplicitTls: false }),
    submissions: open({ name: 'submissions', address: submissionsAddress(config), isImplicitTls: true }),
  }
}
