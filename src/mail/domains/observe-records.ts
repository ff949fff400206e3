/**
 * Finds in DNS what a domain publishes. The servers of its own zone are asked first. The configured resolver decides about
 * each record that they do not have, or about which they do not answer: the record may be in another zone, to which a CNAME
 * or a delegation leads, and these servers do not follow it.
 */
import type { Limits } from '../../config/limits.ts'
import { type Dns, isNoRecord } from '../../net/dns/dns.ts'
import { openZoneDns } from '../../net/dns/zone-dns.ts'
import { isPrivateIp } from '../../net/private-networks.ts'
import { type ExpectedRecord, mostRelevant, queriedName, type SeenRecord, type SeenRecords } from './domain-records.ts'

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
    const find = async (record: ExpectedRecord) => {
      // They may not answer, or refuse to: a delegation that leads nowhere.
      const own = zone ? await query(zone, record).catch(() => []) : []
      return [record.purpose, own.length > 0 ? own : await query(dns, record)] as const
    }
    return Object.fromEntries(await Promise.all(expected.map(find)))
  }
}

async function query(dns: Dns, record: ExpectedRecord): Promise<SeenRecord[]> {
  const name = queriedName(record)
  try {
    const records =
      record.type === 'MX'
        ? (await dns.mx(name)).map(({ exchange, priority }) => ({ value: exchange, priority }))
        : (await dns.txt(name)).map((value) => ({ value }))
    const kept = mostRelevant(record.purpose, records, SHOWN_RECORDS_MAX)
    return kept.map((each) => ({ ...each, value: each.value.slice(0, SHOWN_CHARS_MAX) }))
  } catch (error) {
    if (isNoRecord(error)) return []
    throw error
  }
}
