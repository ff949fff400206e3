/** Tests whose answer decides about the records of a domain: its own zone's servers, or the configured resolver. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { ExpectedRecord } from '../../src/mail/domains/domain-records.ts'
import { createObserveRecords } from '../../src/mail/domains/observe-records.ts'
import { createDns } from '../../src/net/dns/dns.ts'
import { type DnsServer, type Records, startDns, type Zones } from '../support/dns-server.ts'

const limits = withLimits({ dns: { tryMs: 1_000, zoneTryMs: 1_000, triesMax: 1 } })
const spf: ExpectedRecord = { purpose: 'spf', type: 'TXT', name: 'a.test', value: '' }
const records = (text: string) => ({ TXT: [text], NS: ['ns.a.test'] })

/** @param zone what the zone's own server answers */
async function observe(
  resolverZones: Zones,
  zone: Zones | undefined,
  { allowPrivateNetworks = true, domain = 'a.test', name = '' } = {},
) {
  await using resolver = await startDns({ 'ns.a.test': { A: ['127.0.0.1'] }, ...resolverZones })
  await using authority: DnsServer = await startDns(zone ?? { 'a.test': 'silent' })
  const observeRecords = createObserveRecords({
    dns: createDns({ servers: [resolver.address], limits }),
    allowPrivateNetworks,
    limits,
    zonePort: Number(authority.address.split(':')[1]),
  })
  const seen = await observeRecords(domain, [{ ...spf, name: name || domain }])
  return { seen: seen.spf!.map(({ value }) => value), asked: authority.questions }
}

test("the servers of the domain's zone decide, so that a cached answer does not last", async () => {
  const { seen } = await observe({ 'a.test': records('old') }, { 'a.test': records('new') })
  expect(seen).toEqual(['new'])
  const cachedMiss = await observe({ test: {}, 'a.test': { NS: ['ns.a.test'] } }, { 'a.test': records('new') })
  expect(cachedMiss.seen).toEqual(['new'])
})

test('a zone above the name is found', async () => {
  const zones = { 'a.test': records('zone'), 'x.a.test': {} }
  const { seen } = await observe(zones, { 'x.a.test': { TXT: ['new'] } }, { domain: 'x.a.test' })
  expect(seen).toEqual(['new'])
})

test.each<[string, Zones, Zones | undefined, object]>([
  ['does not answer', { 'a.test': records('resolver') }, undefined, {}],
  ['fails', { 'a.test': records('resolver') }, { 'a.test': 'fails' }, {}],
  ['does not exist', { 'a.test': { ...records('resolver'), NS: ['gone.test'] } }, { 'a.test': records('no') }, {}],
  [
    'is in a private network',
    { 'a.test': records('resolver') },
    { 'a.test': records('no') },
    { allowPrivateNetworks: false },
  ],
  ['is not named', { 'a.test': { TXT: ['resolver'] } }, { 'a.test': records('no') }, {}],
])('the configured resolver decides if the server of the zone %s', async (_what, resolverZones, zone, options) => {
  expect((await observe(resolverZones, zone, options)).seen).toEqual(['resolver'])
})

test.each<[string, Records]>([
  ['is a CNAME that leads to another zone', { CNAME: 'x.other.test' }],
  ['is in a zone to which theirs delegates', {}],
])(
  "the configured resolver decides about a record that %s: the zone's servers do not follow it",
  async (_what, own) => {
    const resolver = { 'a.test': { NS: ['ns.a.test'] }, 'b.a.test': { TXT: ['there'] } }
    expect((await observe(resolver, { 'b.a.test': own }, { name: 'b.a.test' })).seen).toEqual(['there'])
  },
)

test('the SPF record is found among many records of other services', async () => {
  const TXT = [...Array.from({ length: 30 }, (_, at) => `service-verification=${at}`), 'v=spf1 a:mail.test ~all']
  const { seen } = await observe({ 'a.test': { TXT } }, undefined)
  expect(seen).toHaveLength(20)
  expect(seen[0]).toBe('v=spf1 a:mail.test ~all')
})

test('if nobody answers, the check fails, instead of finding nothing', async () => {
  await expect(observe({ 'a.test': 'fails' }, { 'a.test': records('no') })).rejects.toMatchObject({ code: 'ESERVFAIL' })
})

test('a record of several strings is one text; a CNAME is followed by the resolver', async () => {
  const split = await observe({ 'a.test': { TXT: [['v=spf1 a:', 'mail.test', ' ~all']] } }, undefined)
  expect(split.seen).toEqual(['v=spf1 a:mail.test ~all'])
  const dangling = await observe({ 'a.test': { CNAME: 'gone.test' } }, undefined)
  expect(dangling.seen).toEqual([])
})
