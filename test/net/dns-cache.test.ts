/** DNS for the authentication of mail, against a real server on loopback: what is cached, and for how long. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { type CachedDns, createCachedDns } from '../../src/net/dns/dns-cache.ts'
import { type DnsServer, startDns, type Zones } from '../support/dns-server.ts'

const long = 'x'.repeat(2_000)
const zones: Zones = {
  'text.example': { TXT: [['v=spf1 ', '-all'], 'other'], ttl: 30 },
  'mail.example': { MX: [{ preference: 5, exchange: 'mx.example' }] },
  'mx.example': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
  '1.2.0.192.in-addr.arpa': { PTR: ['mx.example'] },
  'empty.example': {},
  'long.example': { TXT: [long.match(/.{1,255}/g)!] },
  'never.example': { TXT: ['now'], ttl: 0 },
  'fails.example': 'fails',
  'refused.example': 'refused',
  'garbage.example': 'garbage',
  'silent.example': 'silent',
  'lies.example': { TXT: ['lie'], liesAs: 'other.example' },
  'loop.example': { CNAME: 'loop.example' },
  'dangling.example': { CNAME: 'nothing.example' },
}

let dns: DnsServer
beforeAll(async () => {
  dns = await startDns(zones)
})
afterAll(() => dns[Symbol.asyncDispose]())

function cachedDns(limits: LimitOverrides['dns'] = {}): CachedDns & { pass(seconds: number): void; asked(): string[] } {
  let nowMs = 0
  const from = dns.questions.length
  const cached = createCachedDns({
    servers: [dns.address],
    clock: () => nowMs,
    limits: withLimits({ dns: { triesMax: 1, ...limits } }),
  })
  return {
    ...cached,
    pass: (seconds) => {
      nowMs += seconds * 1_000
    },
    asked: () => dns.questions.slice(from),
  }
}

test('records of each type are texts', async () => {
  const { query } = cachedDns()
  expect(await query('text.example', 'TXT')).toEqual(['v=spf1 -all', 'other'])
  expect(await query('mail.example', 'MX')).toEqual(['5 mx.example'])
  expect(await query('mx.example', 'A')).toEqual(['192.0.2.1', '192.0.2.2'])
  expect(await query('mx.example', 'AAAA')).toEqual(['2001:db8::1'])
  expect(await query('1.2.0.192.in-addr.arpa', 'PTR')).toEqual(['mx.example'])
})

test('an answer is cached for its time to live, in any case of its name', async () => {
  const { query, pass, asked } = cachedDns()
  await Promise.all([query('text.example', 'TXT'), query('TEXT.example', 'TXT')])
  pass(29)
  await query('Text.Example', 'TXT')
  expect(asked()).toEqual(['TXT text.example'])
  pass(1)
  await query('text.example', 'TXT')
  expect(asked()).toHaveLength(2)
})

test('that a record does not exist is cached, too; a failure is not, and neither is an answer without time to live', async () => {
  const { query, pass, asked } = cachedDns()
  for (const _ of [1, 2]) {
    await expect(query('missing.example', 'TXT')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(query('empty.example', 'TXT')).rejects.toMatchObject({ code: 'ENODATA' })
  }
  expect(asked()).toEqual(['TXT missing.example', 'TXT empty.example'])
  for (const _ of [1, 2]) {
    await expect(query('fails.example', 'TXT')).rejects.toMatchObject({ code: 'ESERVFAIL' })
    await query('never.example', 'TXT')
  }
  pass(0)
  expect(asked().slice(2)).toHaveLength(4)
})

test.each([
  ['a server that fails', 'fails.example', 'ESERVFAIL'],
  ['a server that refuses', 'refused.example', 'EREFUSED'],
  ['no answer', 'silent.example', 'ETIMEOUT'],
  ['an answer that is no DNS message', 'garbage.example', 'ETIMEOUT'],
  ['an answer to another question', 'lies.example', 'ETIMEOUT'],
  ['an alias of itself', 'loop.example', 'ESERVFAIL'],
  ['an alias of nothing', 'dangling.example', 'ENODATA'],
  ['a name that cannot exist', `${'x'.repeat(64)}.example`, 'EBADNAME'],
  ['a name with an empty label', 'a..example', 'EBADNAME'],
  ['a name with other bytes than ASCII', 'ä.example', 'EBADNAME'],
])('%s is an error', async (_what, name, code) => {
  // Only what never answers is given up so soon: the others must not depend on the speed of the machine.
  const tryMs = code === 'ETIMEOUT' ? 50 : 5_000
  await expect(cachedDns({ tryMs }).query(name, 'TXT')).rejects.toMatchObject({ code })
})

test('a long answer arrives over TCP; a longer one is not cached', async () => {
  const { query, asked } = cachedDns({ cachedBytesMax: 1_999 })
  expect(await query('long.example', 'TXT')).toEqual([long])
  await query('long.example', 'TXT')
  expect(asked()).toHaveLength(4) // each time over UDP and over TCP
})

test.each([
  ['FORMERR', { rcode: 1, isBare: true }],
  ['FORMERR and the question', { rcode: 1, isBare: false }],
  ['NOTIMP', { rcode: 4, isBare: false }],
])('a resolver that answers EDNS with %s is asked without it', async (_answer, lacksEdns) => {
  await using old = Object.assign(await startDns(zones), { lacksEdns })
  const { query } = createCachedDns({
    ...{ servers: [old.address], clock: () => 0 },
    limits: withLimits({ dns: { triesMax: 1, tryMs: 5_000 } }),
  })
  expect(await query('text.example', 'TXT')).toEqual(['v=spf1 -all', 'other'])
  expect(await query('long.example', 'TXT')).toEqual([long]) // over TCP
})

test('a resolver that this machine cannot reach is skipped at once', async () => {
  // A link-local address without a zone: no route leads to it, whatever networks this machine has.
  const servers = ['[fe80::1]:53', dns.address]
  const { query } = createCachedDns({ servers, clock: () => 0, limits: withLimits({ dns: { tryMs: 60_000 } }) })
  expect(await query('text.example', 'TXT')).toEqual(['v=spf1 -all', 'other'])
  const unreachable = createCachedDns({ servers: servers.slice(0, 1), clock: () => 0, limits: withLimits({}) })
  await expect(unreachable.query('text.example', 'TXT')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('the cache is bounded, and so are the queries that run at a time', async () => {
  const { query, asked } = cachedDns({ cachedMax: 2, queriesMax: 1 })
  await Promise.all([query('text.example', 'TXT'), query('mx.example', 'A'), query('mail.example', 'MX')])
  await query('mx.example', 'A')
  await query('text.example', 'TXT')
  expect(asked()).toEqual(['TXT text.example', 'A mx.example', 'MX mail.example', 'TXT text.example'])
})

test('an answer of many empty records is not cached: it would need memory', async () => {
  Object.assign(zones, { 'empties.example': { TXT: new Array(200).fill('') } })
  const { query, asked } = cachedDns()
  for (const _ of [1, 2]) expect(await query('empties.example', 'TXT')).toHaveLength(200)
  expect(asked()).toHaveLength(4) // each time over UDP and over TCP
})

test('a client whose names are never answered delays only its own mail', async () => {
  const { query } = cachedDns({ tryMs: 500, queriesMax: 4, queriesPerClientMax: 3, waitMs: 50 })
  Object.assign(zones, { 'fast.example': { TXT: ['v=spf1 -all'] } })
  const names = Array.from({ length: 20 }, (_, at) => `silent${at}.example`)
  for (const name of names) zones[name] = 'silent'
  const slow = names.map((name) => query(name, 'TXT', '192.0.2.1'))
  // One that waits is asked for by another client, which does not wait with it.
  const shared = query('fast.example', 'TXT', '192.0.2.1')
  expect(await query('fast.example', 'TXT', '192.0.2.2')).toEqual(['v=spf1 -all'])
  const ended = await Promise.allSettled([...slow, shared])
  expect(ended.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(new Array(21).fill('ETIMEOUT'))
})

test('a forwarder with names that are never answered still gets answers to others, and no more than its share of queries', async () => {
  const { query, asked } = cachedDns({ tryMs: 20_000, queriesPerClientMax: 3, slowMs: 100, waitMs: 20_000 })
  for (let at = 0; at < 3; at += 1) zones[`stuck${at}.example`] = 'silent'
  Object.assign(zones, { 'honest.example': { TXT: ['v=spf1 -all'] }, 'honest2.example': { TXT: ['v=spf1 ?all'] } })
  const stuck = [0, 1, 2].map((at) => query(`stuck${at}.example`, 'TXT', '192.0.2.1'))
  const first = Promise.race(stuck)
  first.catch(() => undefined)
  expect(await query('honest.example', 'TXT', '192.0.2.1')).toEqual(['v=spf1 -all'])
  // The oldest one has given its place.
  await expect(stuck[0]).rejects.toMatchObject({ code: 'ETIMEOUT' })
  // Nobody waits now, so the others go on.
  let ended = 0
  for (const one of stuck.slice(1))
    one.catch(() => {
      ended += 1
    })
  await query('text.example', 'TXT', '192.0.2.1')
  expect(ended).toBe(0)
  // What is cached, or asked for already, needs no place.
  const again = query('stuck2.example', 'TXT', '192.0.2.9')
  again.catch(() => undefined)
  await query('honest.example', 'TXT', '192.0.2.1')
  expect(asked().filter((question) => question.includes('honest.'))).toHaveLength(1)
  expect(await query('honest2.example', 'TXT', '192.0.2.1')).toEqual(['v=spf1 ?all'])
})
