/**
 * Which SPF results are used again. A result that was kept is the same object; one of a new evaluation is another one.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { createSpfVerdicts } from '../../../src/mail/receiving/authentication/spf-verdicts.ts'
import type { CachedDns } from '../../../src/net/dns/dns-cache.ts'
import { DnsError } from '../../../src/net/dns/dns-query.ts'

const CLIENT = { ipAddress: '192.0.2.1', helo: 'mx.a.example', sender: 'ann@a.example' }

/** DNS that gives the same object until an answer is set again, as the cache does. */
function changingDns(records: Record<string, readonly string[]>) {
  const answers = new Map<string, readonly string[] | DnsError>(Object.entries(records))
  const dns: CachedDns = {
    async query(name, type) {
      const key = `${type} ${name}`
      const known = answers.get(key) ?? new DnsError('ENOTFOUND', key)
      answers.set(key, known)
      if (known instanceof DnsError) throw known
      return known
    },
  }
  return { dns, set: (key: string, answer: readonly string[] | DnsError) => answers.set(key, answer) }
}

function createVerdicts(limits = withLimits({})) {
  return createSpfVerdicts({ hostname: 'mx.test', limits })
}

test('the result of a sender is used again while its records are the same', async () => {
  const { dns, set } = changingDns({
    'TXT a.example': ['v=spf1 include:b.example -all'],
    'TXT b.example': ['v=spf1 ip4:192.0.2.1 -all'],
  })
  const verdicts = createVerdicts()
  const first = await verdicts.check(CLIENT, dns)
  expect(first.result).toBe('pass')
  expect(await verdicts.check(CLIENT, dns)).toBe(first)

  set('TXT b.example', ['v=spf1 ip4:192.0.2.9 -all'])
  expect((await verdicts.check(CLIENT, dns)).result).toBe('fail')
  set('TXT b.example', ['v=spf1 ip4:192.0.2.1 -all'])
  expect((await verdicts.check(CLIENT, dns)).result).toBe('pass')
})

test.each([
  ['another client', { ...CLIENT, ipAddress: '192.0.2.2' }],
  ['another sender of the domain', { ...CLIENT, sender: 'bob@a.example' }],
  ['another name of the client', { ...CLIENT, helo: 'mx2.a.example' }],
])('%s gets a result of its own, as the macros of a record may say', async (_name, other) => {
  const { dns } = changingDns({
    'TXT a.example': ['v=spf1 exists:%{l}.%{h}.%{i}.b.example -all'],
    'A ann.mx.a.example.192.0.2.1.b.example': ['127.0.0.2'],
  })
  const verdicts = createVerdicts()
  expect((await verdicts.check(CLIENT, dns)).result).toBe('pass')
  expect((await verdicts.check(other, dns)).result).toBe('fail')
  expect((await verdicts.check(CLIENT, dns)).result).toBe('pass')
})

test('a name that did not exist is asked for again when that may have changed', async () => {
  const { dns, set } = changingDns({ 'TXT a.example': ['v=spf1 exists:b.example -all'] })
  const verdicts = createVerdicts()
  const first = await verdicts.check(CLIENT, dns)
  expect(first.result).toBe('fail')
  expect(await verdicts.check(CLIENT, dns)).toBe(first)
  set('A b.example', ['127.0.0.2'])
  expect((await verdicts.check(CLIENT, dns)).result).toBe('pass')
})

test('errors are not kept', async () => {
  const { dns, set } = changingDns({ 'TXT a.example': ['v=spf1 ip4:192.0.2.1 -all'] })
  set('TXT a.example', new DnsError('ETIMEOUT', 'TXT a.example'))
  const verdicts = createVerdicts()
  const first = await verdicts.check(CLIENT, dns)
  expect(first.result).toBe('temperror')
  expect(await verdicts.check(CLIENT, dns)).not.toBe(first)
})

test('results of many or large records are not kept', async () => {
  const { dns } = changingDns({ 'TXT a.example': ['v=spf1 ip4:192.0.2.1 -all'] })
  const verdicts = createVerdicts(withLimits({ authentication: { spfVerdictBytesMax: 10 } }))
  const first = await verdicts.check(CLIENT, dns)
  expect(await verdicts.check(CLIENT, dns)).not.toBe(first)
})
