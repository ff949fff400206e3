/**
 * Connects to the mail servers of a domain, one after the other (RFC 5321 §5.1). mx-connect finds and orders the
 * servers and opens the connection; this file answers its DNS queries. In these answers, hosts of equal preference are
 * shuffled. If this server is one of the hosts, it and those that are not preferred to it are omitted. Unless private
 * networks are allowed, it connects to no private address: neither the address of a name, nor an address literal, nor
 * an address in place of a name.
 */
import { isIP, type Socket } from 'node:net'
import type { Limits } from '../../config/limits.ts'
import { connectFailure, connectSocket } from '../fetch/connect.ts'
import { isPrivateIp } from '../private-networks.ts'
import { type Dns, isNoRecord, type MxRecord } from './dns.ts'

export type MxFailureKind =
  | 'no_such_domain' // DNS says that the name does not exist
  | 'no_mail_server' // the domain exists, but has neither a mail server nor an address
  | 'null_mx' // the domain declares that it accepts no mail (RFC 7505)
  | 'loop' // its mail server is this server
  | 'private_network' // all its mail servers are in networks to which we must not connect
  | 'dns_failed' // DNS did not answer
  | 'unreachable' // no mail server accepted the connection

/** Thrown when there is no connection to any (further) mail server. */
export class MxFailure extends Error {
  override readonly name = 'MxFailure'
  readonly kind: MxFailureKind
  /** The reason, as the second half of a sentence about the domain. Not `message`, because mx-connect changes that. */
  readonly detail: string

  constructor(kind: MxFailureKind, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.kind = kind
    this.detail = detail
  }
}

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
  readonly limits: Limits
}

/** @param domain as A-labels, or an address literal (RFC 5321 §4.1.3) */
export function mailServersOf(domain: string, needs: MxNeeds): MailServers {
  const { dns, port, allowPrivateNetworks, limits } = needs
  const tried: string[] = []
  const isAllowed = (ipAddress: string) => allowPrivateNetworks || !isPrivateIp(ipAddress)
  const records = createRecords(needs, isAllowed)

  return {
    async next(signal) {
      signal.throwIfAborted()
      const failures: { ipAddress: string; error: Error }[] = []
      // Loaded when first needed: it depends on a policy parser that would slow down the start.
      const { default: mxConnect } = await import('mx-connect')
      const connecting = mxConnect({
        target: domain,
        port,
        maxConnectTime: limits.delivery.connectMs,
        dnsOptions: { resolveRecords: records.resolve },
        ignoreMXHosts: tried,
        connectHook: (_delivery, { host }, callback) => callback(isAllowed(host) ? undefined : refusal(host)),
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

  function refusal(ipAddress: string): MxFailure {
    return new MxFailure('private_network', `its mail server [${ipAddress}] is in a private network`)
  }

  function createRecords({ hostname, random }: MxNeeds, mayConnectTo: (ipAddress: string) => boolean): Records {
    const asked = new Map<string, Promise<readonly unknown[]>>()
    const refused: string[] = []
    const found: Records = { resolve, refused, isNameMissing: false }
    return found

    /** Queries each record only once: mx-connect queries all servers again after one of them has failed. */
    function resolve(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]> {
      const key = `${type} ${name}`
      const answer = asked.get(key) ?? ask(name, type)
      asked.set(key, answer)
      return answer
    }

    async function ask(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]> {
      try {
        if (type === 'MX') return usable(await dns.mx(name))
        const addresses = type === 'A' ? await dns.a(name) : await dns.aaaa(name)
        return addresses.filter((ipAddress) => keep(name, ipAddress)).slice(0, limits.delivery.addressesMax)
      } catch (error) {
        if (type === 'MX' && (error as NodeJS.ErrnoException).code === 'ENOTFOUND') found.isNameMissing = true
        throw error
      }
    }

    function usable(all: readonly MxRecord[]): MxRecord[] {
      // RFC 5321 §5.1 allows only a name here. Some domains use an address; we accept it if we may connect to it.
      const allowed = all.filter(({ exchange }) => isIP(exchange) === 0 || keep(exchange, exchange))
      const ourselves = allowed.find(({ exchange }) => bare(exchange) === hostname)
      const before = ourselves ? allowed.filter(({ priority }) => priority < ourselves.priority) : allowed
      if (ourselves && before.length === 0) {
        // RFC 5321 §5.1: omit our own record and those that are not preferred to it, to avoid mail loops.
        throw new MxFailure('loop', `its mail server is this server (${hostname}), which does not serve the domain`)
      }
      if (all.length > 0 && allowed.length === 0) throw refusal(all[0]!.exchange)
      // Sorted, then limited: mx-connect also sorts, but would first query the addresses of all servers.
      const sorted = shuffled(before, random).sort((a, b) => a.priority - b.priority)
      return sorted.slice(0, limits.delivery.hostsMax)
    }

    function keep(name: string, ipAddress: string): boolean {
      if (mayConnectTo(ipAddress)) return true
      refused.push(name === ipAddress ? `[${ipAddress}]` : `${name} [${ipAddress}]`)
      return false
    }
  }
}

interface Records {
  resolve(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]>
  /** Servers to which we must not connect. */
  readonly refused: string[]
  isNameMissing: boolean
}

function toFailure(
  error: unknown,
  records: Records,
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

/** Shuffles the list. RFC 5321 §5.1: equal preferences in random order, to spread load. The caller's sort is stable. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other]!, result[last]!]
  }
  return result
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
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
