/**
 * Queries the servers of a domain's own zone (RFC 1034 §4.2.1), without the caches of a resolver: a record that its owner
 * has just added is found at once, even if a resolver remembers that it did not exist.
 *
 * Strangers choose these servers. Only addresses that `mayConnectTo` permits are asked, a few of them, for a limited time.
 */
import type { Limits } from '../../config/limits.ts'
import { createDns, type Dns, isNoRecord } from './dns.ts'

interface ZoneDnsNeeds {
  /** The configured resolver: it finds the servers of the zone. */
  readonly dns: Dns
  readonly mayConnectTo: (ipAddress: string) => boolean
  readonly limits: Limits
  /** Port of the servers; 53 except in tests. */
  readonly port?: number
}

/** @returns undefined if the zone has no server that may be asked */
export async function openZoneDns(domain: string, needs: ZoneDnsNeeds): Promise<Dns | undefined> {
  const { dns, mayConnectTo, limits, port = 53 } = needs
  const hosts = (await serversOf(domain, dns)).slice(0, limits.dns.zoneServersMax)
  const found = await Promise.allSettled(hosts.map((host) => dns.ipAddresses(host)))
  const addresses = found.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])).filter(mayConnectTo)
  if (addresses.length === 0) return undefined
  const servers = addresses
    .slice(0, limits.dns.zoneServersMax)
    .map((address) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`))
  return createDns({ servers, limits: { ...limits, dns: { ...limits.dns, tryMs: limits.dns.zoneTryMs, triesMax: 1 } } })
}

/** Finds the zone of a name: the name itself, or the nearest above it that has NS records. */
async function serversOf(domain: string, dns: Dns): Promise<string[]> {
  const labels = domain.split('.')
  for (let first = 0; first < labels.length - 1; first += 1) {
    try {
      return await dns.ns(labels.slice(first).join('.'))
    } catch (error) {
      if (!isNoRecord(error)) return []
    }
  }
  return []
}
