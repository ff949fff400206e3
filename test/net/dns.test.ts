import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createDns, isNoRecord } from '../../src/net/dns/dns.ts'
import { startDns, type Zones } from '../support/dns-server.ts'

const zones: Zones = {
  'both.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
  'six.test': { AAAA: ['2001:db8::2'] },
  'empty.test': {},
  'dangling.test': { CNAME: 'gone.test' },
  'fails.test': 'fails',
  'silent.test': 'silent',
  'many.test': {
    MX: Array.from({ length: 60 }, (_, index) => ({ preference: index, exchange: `mail-server-${index}.many.test` })),
  },
}

async function ask({ tryMs = 5_000 } = {}) {
  const server = await startDns(zones)
  const dns = createDns({ servers: [server.address], limits: withLimits({ dns: { tryMs, triesMax: 2 } }) })
  return { server, dns, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test('the configured resolvers are queried, over TCP if an answer is long', async () => {
  await using all = await ask()
  const records = await all.dns.mx('many.test')
  expect(records).toHaveLength(60)
  expect(records).toContainEqual({ exchange: 'mail-server-7.many.test', priority: 7 })
  expect(all.server.questions.filter((question) => question === 'MX many.test').length).toBeGreaterThan(1)
})

test('ipAddresses returns both families, IPv4 first', async () => {
  await using all = await ask()
  expect((await all.dns.ipAddresses('both.test')).sort()).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  expect((await all.dns.ipAddresses('both.test'))[2]).toBe('2001:db8::1')
  expect(await all.dns.ipAddresses('six.test')).toEqual(['2001:db8::2'])
})

test('an IP address resolves to itself and localhost to this machine, without a query', async () => {
  await using all = await ask()
  expect(await all.dns.ipAddresses('192.0.2.9')).toEqual(['192.0.2.9'])
  expect(await all.dns.ipAddresses('::1')).toEqual(['::1'])
  expect(await all.dns.ipAddresses('LOCALHOST')).toEqual(['127.0.0.1', '::1'])
  expect(await all.dns.ipAddresses('hooks.localhost')).toEqual(['127.0.0.1', '::1'])
  expect(all.server.questions).toEqual([])
  await expect(all.dns.ipAddresses('notlocalhost')).rejects.toMatchObject({ code: 'ENOTFOUND' })
})

test.each([
  ['gone.test', 'ENOTFOUND', true],
  ['empty.test', 'ENODATA', true],
  ['dangling.test', 'ENODATA', true],
  ['fails.test', 'ESERVFAIL', false],
  ['silent.test', 'ETIMEOUT', false],
])('%s: the error is %s, and permanent is %s', async (name, code, isForGood) => {
  await using all = await ask(name === 'silent.test' ? { tryMs: 50 } : {})
  for (const question of ['mx', 'a', 'aaaa', 'ipAddresses'] as const) {
    const error = await all.dns[question](name).catch((reason) => reason)
    expect(error).toMatchObject({ code })
    expect(isNoRecord(error)).toBe(isForGood)
  }
})

test('a resolver that does not answer is queried as often as the limit allows, then the query fails', async () => {
  await using all = await ask()
  await expect(all.dns.a('silent.test')).rejects.toThrow()
  expect(all.server.questions).toEqual(['A silent.test', 'A silent.test'])
})
