/**
 * Queries DNS, through the operator's resolvers or those of the system. limits.dns.tryMs and limits.dns.triesMax bound
 * the time per resolver. Nothing is cached here: the resolvers cache records according to their TTL.
 *
 * Must not: decide what an answer means for a message, or which addresses we may connect to (private-networks.ts).
 */
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Limits } from '../../config/limits.ts'
import { isLocalhost } from '../../host-name.ts'

export interface MxRecord {
  /** Host name; "" or "." in a null MX (RFC 7505 §3). */
  readonly exchange: string
  /** The preference: the lowest number is tried first. */
  readonly priority: number
}

/**
 * Each method rejects with Node's error when there is no record. `code` is ENOTFOUND (the name does not exist), ENODATA
 * (the name has no such record), or another code; in that case a later query may succeed (see `isNoRecord`).
 */
export interface Dns {
  mx(domain: string): Promise<MxRecord[]>
  /** Returns the text of each record: its strings are joined. */
  txt(name: string): Promise<string[]>
  /** Returns the names of the servers of a zone. */
  ns(zone: string): Promise<string[]>
  a(host: string): Promise<string[]>
  aaaa(host: string): Promise<string[]>
  /** Returns addresses of both families, IPv4 first; for an IP address, itself. Rejects only if both families fail. */
  ipAddresses(host: string): Promise<string[]>
}

interface DnsNeeds {
  /** "127.0.0.1:5353" or "[::1]:53"; undefined: the resolvers of the system. */
  readonly servers: readonly string[] | undefined
  readonly limits: Limits
}

export function createDns({ servers, limits }: DnsNeeds): Dns {
  const resolver = new Resolver({ timeout: limits.dns.tryMs, tries: limits.dns.triesMax })
  if (servers) resolver.setServers([...servers])

  const mx = (domain: string) => requireRecords('queryMx', domain, resolver.resolveMx(domain))
  const a = (host: string) => requireRecords('queryA', host, resolver.resolve4(host))
  const aaaa = (host: string) => requireRecords('queryAaaa', host, resolver.resolve6(host))

  return {
    mx,
    txt: async (name) => {
      const records = await requireRecords('queryTxt', name, resolver.resolveTxt(name))
      return records.map((strings) => strings.join(''))
    },
    ns: (zone) => requireRecords('queryNs', zone, resolver.resolveNs(zone)),
    a,
    aaaa,

    async ipAddresses(host) {
      if (isIP(host) !== 0) return [host]
      // RFC 6761 §6.3: such a name always means this machine; do not query DNS.
      if (isLocalhost(host)) return ['127.0.0.1', '::1']
      const [ipv4, ipv6] = await Promise.allSettled([a(host), aaaa(host)])
      const found = [ipv4, ipv6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
      if (found.length > 0) return found
      // If one failure is temporary and the other is permanent, throw the temporary one.
      const failures = [ipv4, ipv6].flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
      throw failures.find((error) => !isNoRecord(error)) ?? failures[0]
    },
  }
}

/**
 * Rejects with ENODATA for an empty list. Node resolves with an empty list when the answer contains only a CNAME whose
 * target has no such record or no longer exists. For callers, such a name has no record.
 */
async function requireRecords<T>(query: string, name: string, answer: Promise<T[]>): Promise<T[]> {
  const records = await answer
  if (records.length > 0) return records
  throw Object.assign(new Error(`${query} ENODATA ${name}`), { code: 'ENODATA', hostname: name })
}

/** Whether DNS answered that the name or record does not exist; false if it did not answer. */
export function isNoRecord(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTFOUND' || code === 'ENODATA'
}
