/**
 * Sends all mail for remote addresses to one server of the operator, which forwards it. Connections are reused for
 * the next message (net/smtp/smtp-pool.ts). A fault of the relay itself (it is down, its certificate or our password is
 * refused) never fails a message: delivery is retried until the operator has fixed the relay.
 *
 * Must not: send a password without verified TLS, except to this same machine; or write it to the log or history.
 */

import type { Limits } from '../../../config/limits.ts'
import { isLoopback, type Relay } from '../../../config/outbound-settings.ts'
import type { Log } from '../../../log.ts'
import { connectFailure, connectSocket } from '../../../net/fetch/connect.ts'
import { type SessionOptions, SmtpClientSession } from '../../../net/smtp/smtp-client.ts'
import { SmtpFailure } from '../../../net/smtp/smtp-failure.ts'
import { createSmtpPool } from '../../../net/smtp/smtp-pool.ts'
import { deliverAddressable } from './addressable.ts'
import type { DeliveryTarget, Handover, Outcome } from './delivery-target.ts'
import { failureOutcome, type Remote } from './remote-outcome.ts'
import { handOverSmtp } from './smtp-handover.ts'

interface RelayTargetNeeds {
  readonly relay: Relay
  /** This server's name, in EHLO. */
  readonly hostname: string
  readonly log: Log
  readonly limits: SessionOptions['limits'] & Limits
}

export interface RelayTarget extends DeliveryTarget {
  /** Sends QUIT on idle connections. */
  close(): void
}

export function createRelayTarget({ relay, hostname, log, limits }: RelayTargetNeeds): RelayTarget {
  const remote = remoteOf(relay)
  const pool = createSmtpPool({ open: (signal) => openSession({ relay, hostname, limits }, signal), limits })

  return {
    name: 'relay',
    deliver: (handover, signal) => deliverAddressable(handover, signal, deliver),
    close: () => pool.close(),
  }

  async function deliver(handover: Handover, signal: AbortSignal): Promise<readonly Outcome[]> {
    handover.reached?.(remote.endpoint)
    try {
      for (;;) {
        const { session, isReused, release } = await pool.acquire(signal)
        try {
          const outcomes = await handOverSmtp(session, { ...remote, tls: session.tls }, handover, signal)
          if (!isReused || !session.isUsedUp) return outcomes
        } finally {
          release()
        }
      }
    } catch (error) {
      if (!(error instanceof SmtpFailure || error instanceof RelayUnreachable)) throw error
      const outcome = error instanceof SmtpFailure ? sessionOutcome(remote, error) : error.outcome
      log.warn({ relay: remote.endpoint, reply: outcome.reply }, 'the relay rejected the session or cannot be reached')
      return handover.recipients.map(() => outcome)
    }
  }
}

/**
 * Opens a session as a delivery does, and ends it without a message.
 *
 * @returns why the relay cannot be used, as a sentence; undefined if it can
 * @throws the signal's reason
 */
export async function tryRelay(
  needs: Pick<RelayTargetNeeds, 'relay' | 'hostname' | 'limits'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const session = await openSession(needs, signal)
    session.quit()
    return undefined
  } catch (error) {
    if (!(error instanceof SmtpFailure || error instanceof RelayUnreachable)) throw error
    const { reply } = error instanceof SmtpFailure ? sessionOutcome(remoteOf(needs.relay), error) : error.outcome
    return reply?.replace('; will retry', '')
  }
}

function remoteOf({ host, port }: Relay): Remote {
  return { name: `The relay ${host}`, endpoint: `${host}:${port}` }
}

async function openSession(
  { relay, hostname, limits }: Pick<RelayTargetNeeds, 'relay' | 'hostname' | 'limits'>,
  signal: AbortSignal,
): Promise<SmtpClientSession> {
  const { host, port, isImplicitTls, auth } = relay
  const socket = await connectSocket({ host, port, timeoutMs: limits.delivery.connectMs }, signal).catch((error) => {
    signal.throwIfAborted()
    throw new RelayUnreachable(remoteOf(relay), error)
  })
  // RFC 8314 §3: only the relay may read the password. A connection to this same machine has no network in between.
  const startTls = auth && !isLoopback(host) ? 'required' : 'opportunistic'
  const tls = isImplicitTls ? 'implicit' : startTls
  return SmtpClientSession.open({ socket, hostname: host, clientName: hostname, tls, auth, limits }, signal)
}

function sessionOutcome(remote: Remote, failure: SmtpFailure): Outcome {
  const outcome = failureOutcome(remote, failure)
  const { stage, reply } = failure
  // The reply may repeat what we sent: a password that is wrong here may be valid elsewhere.
  if (stage !== 'login' || !reply) return outcome
  const what = "does not accept this server's user name and password; the operator must correct MARTLET_RELAY_URL"
  const codes = [reply.code, reply.enhancedCode].filter((code) => code !== undefined).join(' ')
  return { ...outcome, reply: `${remote.name} ${what}; will retry (${codes})` }
}

class RelayUnreachable extends Error {
  readonly outcome: Outcome

  constructor(remote: Remote, cause: Error) {
    super('the relay cannot be reached', { cause })
    const reply = `${remote.name} cannot be reached: ${connectFailure(cause)}; will retry`
    this.outcome = { kind: 'failed_for_now', enhancedCode: '4.4.1', reply, remote: remote.endpoint }
  }
}
