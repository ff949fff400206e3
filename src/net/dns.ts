/**
 * Asks DNS, by the operator's resolvers or the system's. Time is bounded by limits.dnsTryMs and dnsTriesMax for each
 * resolver; nothing is cached here, since the resolvers do that by the records' own lifetimes.
 *
 * Must not: decide what an answer means for a mail, or which addresses may be called (private-networks.ts).
 */
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Limits } from '../limits.ts'

export interface MxRecord {
  /** Host name; "" or "." in a null MX (RFC 7505 §3). */
  readonly exchange: string
  /** The lowest is tried first. */
  readonly priority: number
}

/**
 * Each rejects with node's error when there is no answer: `code` is ENOTFOUND (no such name), ENODATA (the name has no
 * such record) or another one, after which asking again may help (`isNoRecord` tells).
 */
export interface Dns {
  mx(domain: string): Promise<MxRecord[]>
  a(host: string): Promise<string[]>
  aaaa(host: string): Promise<string[]>
  /** Addresses of both families, IPv4 first; an address is its own. What fails for one family only does not count. */
  addresses(host: string): Promise<string[]>
}

interface DnsNeeds {
  /** "127.0.0.1:5353" or "[::1]:53"; undefined: the system's. */
  readonly servers: readonly string[] | undefined
  readonly limits: Pick<Limits, 'dnsTryMs' | 'dnsTriesMax'>
}

export function createDns({ servers, limits }: DnsNeeds): Dns {
  const resolver = new Resolver({ timeout: limits.dnsTryMs, tries: limits.dnsTriesMax })
  if (servers) resolver.setServers([...servers])

  const mx = (domain: string) => requireRecords('queryMx', domain, resolver.resolveMx(domain))
  const a = (host: string) => requireRecords('queryA', host, resolver.resolve4(host))
  const aaaa = (host: string) => requireRecords('queryAaaa', host, resolver.resolve6(host))

  return {
    mx,
    a,
    aaaa,

    async addresses(host) {
      if (isIP(host) !== 0) return [host]
      // RFC 6761 §6.3: such a name is this machine, and need not be asked for.
      if (/(^|\.)localhost\.?$/i.test(host)) return ['127.0.0.1', '::1']
      const [four, six] = await Promise.allSettled([a(host), aaaa(host)])
      const found = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
      if (found.length > 0) return found
      // The failure that may pass is told rather than the one that will not.
      const failures = [four, six].flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
      throw failures.find((error) => !isNoRecord(error)) ?? failures[0]
    },
  }
}

/**
 * Node resolves with an empty list when the answer holds a CNAME and nothing else: its target has no such record, or no longer
 * exists. To callers that is a name without the record.
 */
async function requireRecords<T>(query: string, name: string, answer: Promise<T[]>): Promise<T[]> {
  const records = await answer
  if (records.length > 0) return records
  throw Object.assign(new Error(`${query} ENODATA ${name}`), { code: 'ENODATA', hostname: name })
}

/** Whether DNS has answered that there is no such name or record, as against not having answered. */
export function isNoRecord(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTFOUND' || code === 'ENODATA'
}
