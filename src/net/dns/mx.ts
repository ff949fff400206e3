/**
 * Connects to the mail servers of a domain, one after the other (RFC 5321 §5.1). mx-connect finds and orders the
 * servers and opens the connection; mx-records.ts answers its DNS queries. Unless private networks are allowed, it
 * connects to no private address: neither the address of a name, nor an address literal, nor an address in place of a
 * name.
 */
import type { Socket } from 'node:net'
import type { Limits } from '../../config/limits.ts'
import { connectFailure, connectSocket } from '../fetch/connect.ts'
import { isPrivateIp } from '../private-networks.ts'
import { type Dns, isNoRecord } from './dns.ts'
import { MxFailure, privateNetworkFailure } from './mx-failure.ts'
import { createMxRecords, type MxRecords } from './mx-records.ts'

export interface MxConnection {
  readonly socket: Socket
  /** The name of the mail server; its address if it has no name. */
  readonly hostname: string
  readonly ipAddress: string
  readonly port: number
}

export interface MailServers {
  /** Connects to the next server that accepts. @throws MxFailure when none is left; the signal's reason */
  next(signal: AbortSignal): Promise<MxConnection>
  /** Opens another connection to the same server. @throws the socket's error, the signal's reason */
  again(connection: MxConnection, signal: AbortSignal): Promise<MxConnection>
}

interface MxNeeds {
  readonly dns: Dns
  /** Our own host name, as in greetings. */
  readonly hostname: string
  readonly port: number
  readonly allowPrivateNetworks: boolean
  readonly random: () => number
  /** Called with "[address]:port" before each connection is opened. */
  readonly connecting?: (server: string) => void
  readonly limits: Limits
}

/** @param domain as A-labels, or an address literal (RFC 5321 §4.1.3) */
export function mailServersOf(domain: string, needs: MxNeeds): MailServers {
  const { port, allowPrivateNetworks, limits } = needs
  const tried: string[] = []
  const isAllowed = (ipAddress: string) => allowPrivateNetworks || !isPrivateIp(ipAddress)
  const records = createMxRecords({ ...needs, mayConnectTo: isAllowed })

  return {
    async next(signal) {
      // Loaded when first needed: it depends on a policy parser that would slow down the start.
      const { default: mxConnect } = await import('mx-connect')
      signal.throwIfAborted() // the listener is added before the next wait
      const failures: { ipAddress: string; error: Error }[] = []
      const connecting = mxConnect({
        target: domain,
        port,
        maxConnectTime: limits.delivery.connectMs,
        dnsOptions: { resolveRecords: records.resolve },
        ignoreMXHosts: tried,
        connectHook(_delivery, { host }, callback) {
          needs.connecting?.(`[${host}]:${port}`)
          callback(isAllowed(host) ? undefined : privateNetworkFailure(host))
        },
        connectError(error, _delivery, { host }) {
          tried.push(host)
          failures.push({ ipAddress: host, error })
        },
      })
      try {
        const { socket, hostname, host } = await unlessAborted(connecting, signal)
        tried.push(host)
        return { socket, hostname, ipAddress: host, port }
      } catch (error) {
        signal.throwIfAborted()
        throw toFailure(error, records, failures, port)
      }
    },

    async again({ hostname, ipAddress }, signal) {
      const socket = await connectSocket({ host: ipAddress, port, timeoutMs: limits.delivery.connectMs }, signal)
      return { socket, hostname, ipAddress, port }
    },
  }
}

function toFailure(
  error: unknown,
  records: MxRecords,
  failures: readonly { ipAddress: string; error: Error }[],
  port: number,
): MxFailure {
  if (error instanceof MxFailure) return error
  const { code, category } = error as NodeJS.ErrnoException & { category?: string }
  const cause = { cause: error }
  if (code === 'ENULLMX') return new MxFailure('null_mx', 'its DNS says that it accepts no mail (null MX)', cause)
  if (failures.length > 0 || category === 'network') {
    const each = failures.map((failure) => `[${failure.ipAddress}]:${port}: ${connectFailure(failure.error)}`)
    return new MxFailure('unreachable', each.join('; ') || 'no mail server is left to try', cause)
  }
  if (!isNoRecord(error) && code !== 'InvalidIpAddress') {
    return new MxFailure('dns_failed', `the DNS query failed (${code ?? 'unknown error'})`, cause)
  }
  if (records.refused.length > 0) {
    const where = records.refused.join(', ')
    return new MxFailure('private_network', `its mail server ${where} is in a private network`, cause)
  }
  if (records.isNameMissing) return new MxFailure('no_such_domain', 'the domain does not exist', cause)
  return new MxFailure('no_mail_server', 'it has neither a mail server nor an address that can be used as one', cause)
}

/** Waits for a connection until the signal aborts; a connection that opens after that is closed. */
async function unlessAborted<T extends { socket: Socket }>(opening: Promise<T>, signal: AbortSignal): Promise<T> {
  let giveUp: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(signal.reason)
    signal.addEventListener('abort', giveUp)
  })
  try {
    return await Promise.race([opening, aborted])
  } catch (error) {
    opening.then(
      ({ socket }) => socket.destroy(),
      () => undefined, // it failed: the race has reported that already, or the caller no longer waits
    )
    throw error
  } finally {
    if (giveUp) signal.removeEventListener('abort', giveUp)
  }
}
