/** Limits of SPF, with our DNS (RFC 7208 §4.6.4). What records mean: independent-verdicts.test.ts. */
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { checkSpf } from '../../../src/mail/receiving/authentication/spf-check.ts'
import type { CachedDns } from '../../../src/net/dns/dns-cache.ts'
import { recordsOf, type ZoneRecords } from './zone-records.ts'

function check(dns: CachedDns, sender = 'ann@a.example', helo = 'mx.a.example', limits = withLimits({})) {
  return checkSpf({ ipAddress: '192.0.2.1', helo, sender }, { dns, hostname: 'mx.test', limits })
}

test.each<[string, ZoneRecords, string]>([
  [
    'ten lookups',
    { 'a.example': { TXT: [`v=spf1 ${terms('a:b.example', 10)} +all`] }, 'b.example': { A: ['192.0.2.9'] } },
    'pass',
  ],
  [
    'eleven lookups',
    { 'a.example': { TXT: [`v=spf1 ${terms('a:b.example', 11)} +all`] }, 'b.example': { A: ['192.0.2.9'] } },
    'permerror',
  ],
  ['two lookups that find nothing', { 'a.example': { TXT: ['v=spf1 a:x.example a:y.example +all'] } }, 'pass'],
  ['three of them', { 'a.example': { TXT: ['v=spf1 a:x.example a:y.example a:z.example +all'] } }, 'permerror'],
  ['a record that includes itself', { 'a.example': { TXT: ['v=spf1 include:a.example -all'] } }, 'permerror'],
  [
    'eleven mail servers',
    { 'a.example': { TXT: ['v=spf1 mx +all'], MX: Array.from({ length: 11 }, (_, at) => `1 m${at}.example`) } },
    'permerror',
  ],
  ['a record of 4 KB', { 'a.example': { TXT: [`v=spf1 ${terms('ip4:192.0.2.9', 290)} +all`] } }, 'pass'],
  [
    'a longer record, which would occupy the event loop',
    { 'a.example': { TXT: [`v=spf1 ${terms('ip4:192.0.2.9', 300)} +all`] } },
    'permerror',
  ],
  [
    'a longer record in an include',
    {
      'a.example': { TXT: ['v=spf1 include:b.example +all'] },
      'b.example': { TXT: [`v=spf1 ${terms('ip4:192.0.2.9', 300)} +all`] },
    },
    'permerror',
  ],
  ['a long record of another kind', { 'a.example': { TXT: ['x'.repeat(5_000), 'v=spf1 +all'] } }, 'pass'],
  ['a DNS failure', { 'a.example': 'fails' }, 'temperror'],
  [
    'a DNS failure of a mechanism',
    { 'a.example': { TXT: ['v=spf1 a:b.example +all'] }, 'b.example': 'fails' },
    'temperror',
  ],
])('%s', async (_what, zone, result) => {
  expect(await check(recordsOf(zone))).toMatchObject({ result, domain: 'a.example', identity: 'mailfrom' })
})

function terms(term: string, count: number): string {
  return new Array(count).fill(term).join(' ')
}

test('a check that takes too long is a temperror', async () => {
  const dns: CachedDns = { query: () => new Promise(() => undefined) }
  const limits = withLimits({ authentication: { spfMs: 50 } })
  expect(await check(dns, undefined, undefined, limits)).toMatchObject({ result: 'temperror' })
})

test('a bounce is checked by the name in HELO; without a name that could have a record, DNS is not asked', async () => {
  const dns = recordsOf({ 'mx.a.example': { TXT: ['v=spf1 a -all'], A: ['192.0.2.1'] } })
  expect(await check(dns, '')).toMatchObject({ result: 'pass', identity: 'helo', domain: 'mx.a.example' })
  const asked = dns.asked.length
  for (const helo of ['[192.0.2.1]', 'localhost', '..', 'a b', 'x'.repeat(255)])
    expect(await check(dns, '', helo)).toMatchObject({ result: 'none', identity: 'helo' })
  expect(dns.asked).toHaveLength(asked)
})
