/**
 * Finds in DNS what a domain publishes. The servers of its own zone are asked first; if they cannot be asked, or do not
 * answer, the configured resolver decides.
 */
import type { Limits } from '../../config/limits.ts'
import { type Dns, isNoRecord } from '../../net/dns/dns.ts'
import { openZoneDns } from '../../net/dns/zone-dns.ts'
import { isPrivateIp } from '../../net/private-networks.ts'
import { type ExpectedRecord, queriedName, type SeenRecord, type SeenRecords } from './domain-records.ts'

/**
 * @returns for each expected record, all records of its type at its name
 * @throws Node's error if neither the zone's servers nor the resolver answered one of the queries
 */
export type ObserveRecords = (domain: string, expected: readonly ExpectedRecord[]) => Promise<SeenRecords>

interface ObserveNeeds {
  readonly dns: Dns
  readonly allowPrivateNetworks: boolean
  readonly limits: Limits
  /** Port of the servers of zones; 53 except in tests. */
  readonly zonePort?: number | undefined
}

/** A record that is shown is cut to this length, and a list of them to this number: strangers choose them. */
const SHOWN_CHARS_MAX = 1_000
const SHOWN_RECORDS_MAX = 20

export function createObserveRecords({ dns, allowPrivateNetworks, limits, zonePort }: ObserveNeeds): ObserveRecords {
  const mayConnectTo = (ipAddress: string) => allowPrivateNetworks || !isPrivateIp(ipAddress)

  return async function observeRecords(domain, expected) {
    const zone = await openZoneDns(domain, {
      dns,
      mayConnectTo,
      limits,
      ...(zonePort !== undefined && { port: zonePort }),
    })
    if (zone) {
      try {
        return await observe(zone, expected)
      } catch {
        // They do not answer, or refuse to: a delegation that leads nowhere. The resolver may know better.
      }
    }
    return observe(dns, expected)
  }
}

async function observe(dns: Dns, expected: readonly ExpectedRecord[]): Promise<SeenRecords> {
  const found = await Promise.all(expected.map(async (record) => [record.purpose, await query(dns, record)] as const))
  return Object.fromEntries(found)
}

async function query(dns: Dns, record: ExpectedRecord): Promise<SeenRecord[]> {
  const name = queriedName(record)
  try {
    const records =
      record.type === 'MX'
        ? (await dns.mx(name)).map(({ exchange, priority }) => ({ value: exchange, priority }))
        : (await dns.txt(name)).map((value) => ({ value }))
    return records.slice(0, SHOWN_RECORDS_MAX).map((each) => ({ ...each, value: each.value.slice(0, SHOWN_CHARS_MAX) }))
  } catch (error) {
    if (isNoRecord(error)) return []
    throw error
  }
}
