/**
 * Delivers directly to the mail servers of a recipient's domain (RFC 5321 §5.1). The first server that sends a greeting
 * gets the message, and its reply decides. A server that cannot be reached, or whose greeting is a refusal, is skipped.
 * The session stays open for some seconds for the next message to the domain.
 *
 * Crash: nothing is stored here; the queue retries.
 * Stop: the signal closes the connection; `close` ends idle sessions.
 */

import type { Limits } from '../../../config/limits.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import type { Dns } from '../../../net/dns/dns.ts'
import { type MailServers, type MxConnection, mailServersOf } from '../../../net/dns/mx.ts'
import { MxFailure } from '../../../net/dns/mx-failure.ts'
import { type IdleSession, IdleSessions } from '../../../net/smtp/idle-sessions.ts'
import { type SessionOptions, SmtpClientSession } from '../../../net/smtp/smtp-client.ts'
import { SmtpFailure } from '../../../net/smtp/smtp-failure.ts'
import { deliverAddressable } from './addressable.ts'
import type { DeliveryTarget, Handover, Outcome } from './delivery-target.ts'
import { failureOutcome, mxOutcome, type Remote } from './remote-outcome.ts'
import { handOverSmtp } from './smtp-handover.ts'

interface RemoteTargetNeeds {
  readonly dns: Dns
  /** This server's name, in EHLO. */
  readonly hostname: string
  /** Port of the remote servers. */
  readonly port: number
  readonly allowPrivateNetworks: boolean
  readonly random: () => number
  readonly limits: SessionOptions['limits'] & Limits
}

export interface RemoteTarget extends DeliveryTarget {
  /** Sends QUIT on idle connections. */
  close(): void
}

/** A session with a server of a domain. */
type DomainSession = IdleSession<MxConnection>

export function createRemoteTarget(needs: RemoteTargetNeeds): RemoteTarget {
  const { hostname, limits } = needs
  const { destinationMessagesMax, destinationIdleMs, idleConnectionsMax } = limits.delivery
  const idle = new IdleSessions<MxConnection>({ messagesMax: destinationMessagesMax, idleMs: destinationIdleMs })

  return {
    name: 'direct',
    deliver: (handover, signal) => deliverAddressable(handover, signal, deliver),
    close: () => idle.close(),
  }

  async function deliver(handover: Handover, signal: AbortSignal): Promise<Outcome[]> {
    const outcomes = new Map<string, Outcome>()
    for (const [domain, recipients] of byDomain(handover.recipients)) {
      const results = await deliverTo(domain, { ...handover, recipients }, signal)
      for (const [index, recipient] of recipients.entries()) outcomes.set(recipient, results[index]!)
    }
    return handover.recipients.map((recipient) => outcomes.get(recipient)!)
  }

  async function deliverTo(domain: string, handover: Handover, signal: AbortSignal): Promise<Outcome[]> {
    const kept = idle.take(domain)
    if (kept) {
      handover.reached?.(remoteOf(kept.server).endpoint)
      const outcomes = await handOver(kept, domain, handover, signal)
      // Otherwise the message would wait for a retry, which it would not if nothing had been sent before it.
      if (!kept.session.isUsedUp) return outcomes
    }
    const servers = mailServersOf(domain, { ...needs, connecting: (server) => handover.reached?.(server) })
    let last: Outcome | undefined
    for (let count = 0; count < limits.delivery.hostsMax; count++) {
      let connection: MxConnection
      try {
        connection = await servers.next(signal)
      } catch (error) {
        if (!(error instanceof MxFailure)) throw error
        // An earlier server's reply says more than the fact that the later ones could not be reached.
        last ??= mxOutcome(domain, error)
        break
      }
      handover.reached?.(remoteOf(connection).endpoint)
      try {
        const session = await open(servers, connection, signal)
        return await handOver({ session, server: connection, messageCount: 0 }, domain, handover, signal)
      } catch (error) {
        if (!(error instanceof SmtpFailure)) throw error
        last = failureOutcome(remoteOf(connection), error)
      }
    }
    return handover.recipients.map(() => last!)
  }

  /** @throws SmtpFailure when the next server must be tried */
  async function open(servers: MailServers, connection: MxConnection, signal: AbortSignal): Promise<SmtpClientSession> {
    const options = { socket: connection.socket, hostname: connection.hostname, clientName: hostname, limits }
    try {
      return await SmtpClientSession.open({ ...options, tls: 'opportunistic' }, signal)
    } catch (error) {
      if (!(error instanceof SmtpFailure) || error.stage !== 'tls') throw error
      // RFC 7435 §3: a failed TLS handshake must not stop mail that would be sent without TLS.
      const { socket } = await servers.again(connection, signal).catch(() => {
        throw error
      })
      return SmtpClientSession.open({ ...options, socket, tls: 'none' }, signal)
    }
  }

  async function handOver(
    { session, server, messageCount }: DomainSession,
    domain: string,
    handover: Handover,
    signal: AbortSignal,
  ): Promise<Outcome[]> {
    if (session.serverName === hostname) {
      session.quit()
      const detail = `its mail server [${server.ipAddress}] has the name of this server (${hostname})`
      const outcome = mxOutcome(domain, new MxFailure('loop', detail))
      return handover.recipients.map(() => outcome)
    }
    try {
      return await handOverSmtp(session, { ...remoteOf(server), tls: session.tls }, handover, signal)
    } finally {
      idle.keep(domain, { session, server, messageCount: messageCount + 1 })
      if (idle.count > idleConnectionsMax) idle.endOldest()
    }
  }
}

function remoteOf({ hostname, ipAddress, port }: MxConnection): Remote {
  return { name: hostname, endpoint: `${hostname} [${ipAddress}]:${port}` }
}

function byDomain(recipients: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const recipient of recipients) {
    const { domain } = splitAddress(recipient)
    groups.set(domain, [...(groups.get(domain) ?? []), recipient])
  }
  return groups
}
