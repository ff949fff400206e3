/**
 * The MX server: accepts messages for the inboxes from anyone, and passes them to `receiving`, which decides who gets a
 * message and what happens to it. The listener is protocol/smtp-listener.ts.
 */
import { smtpAddress } from '../../../config/listen-address.ts'
import type { Receiving } from '../../../mail/receiving/receiving.ts'
import {
  createSmtpConnectionLimits,
  createSmtpListener,
  type SmtpListener,
  type SmtpListenerNeeds,
} from '../protocol/smtp-listener.ts'
import { createMxRules } from './mx-rules.ts'

export interface MxServerNeeds extends SmtpListenerNeeds {
  readonly receiving: Receiving
}

export function createMxServer(needs: MxServerNeeds): SmtpListener {
  const { config, receiving } = needs
  return createSmtpListener(needs, {
    name: 'MX',
    address: smtpAddress(config),
    isImplicitTls: false,
    connectionLimits: createSmtpConnectionLimits(config.limits),
    isOverloaded: () => receiving.isOverloaded(),
    createRules: (peer) => createMxRules(needs, peer),
  })
}
