/** DNS in memory, for tests whose subject is what records mean. (How they are asked for: test/net/dns-cache.test.ts.) */
import type { CachedDns } from '../../../src/net/dns/dns-cache.ts'
import { DnsError, type RecordType } from '../../../src/net/dns/dns-query.ts'

/** Records by name and type; 'fails': SERVFAIL. MX records are "preference exchange". */
export type ZoneRecords = Readonly<Record<string, Readonly<Partial<Record<RecordType, readonly string[]>>> | 'fails'>>

export function recordsOf(zone: ZoneRecords): CachedDns & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async query(name, type) {
      const question = `${type} ${name.toLowerCase()}`
      asked.push(question)
      const records = zone[name.toLowerCase()]
      if (records === 'fails') throw new DnsError('ESERVFAIL', question)
      if (records === undefined) throw new DnsError('ENOTFOUND', question)
      const found = records[type] ?? []
      if (found.length === 0) throw new DnsError('ENODATA', question)
      return found
    },
  }
}

/** @returns TXT records alone */
export function textZone(texts: Readonly<Record<string, readonly string[]>>): ZoneRecords {
  return Object.fromEntries(Object.entries(texts).map(([name, TXT]) => [name, { TXT }]))
}
