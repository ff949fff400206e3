/** How the findings about a sender become one result. Through SMTP and DNS: test/flows/sender-authentication.test.ts. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { readSenderEvidence } from '../../../src/formats/dkim/sender-evidence.ts'
import { evidenceLimits } from '../../../src/mail/messages/content/parsed-message.ts'
import type { Arrival } from '../../../src/mail/receiving/arrival.ts'
import { createSenderChecks } from '../../../src/mail/receiving/authentication/sender-check.ts'
import type { CachedDns } from '../../../src/net/dns/dns-cache.ts'
import { recordsOf, textZone } from './zone-records.ts'

const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8'))
const limits = withLimits({})
const reject = { '_dmarc.signer.example': ['v=DMARC1; p=reject'] }

interface Options {
  readonly dns?: CachedDns
  readonly arcSealers?: readonly string[]
  readonly trustedNetworks?: readonly string[]
  readonly arrival?: Partial<Arrival>
  readonly ours?: readonly string[]
  readonly dnsMs?: number
}

function begin({ dns, arcSealers = [], trustedNetworks = [], arrival = {}, ours = [], dnsMs }: Options) {
  const checks = createSenderChecks({
    config: {
      ...{ hostname: 'mx.test', trustedNetworks, arcSealers },
      limits: dnsMs === undefined ? limits : withLimits({ authentication: { dnsMs } }),
    },
    dns: dns ?? recordsOf(textZone({ ...corpus.zone, ...reject })),
    domainOwners: { find: async (domains) => new Set(domains.filter((domain) => ours.includes(domain))) },
    wallClock: () => corpus.now * 1_000,
    random: () => 0,
  })
  const from = { protocol: 'ESMTP', remoteAddress: '192.0.2.1', helo: 'mx.forwarder.example', traceId: 't' } as const
  return checks.begin({ ...from, ...arrival }, { sender: 'x@forwarder.example', recipients: ['ada@mx.test'] })
}

function evidenceOf(name: string) {
  const { mail } = corpus.arc.find((each: { name: string }) => each.name === name)
  return readSenderEvidence(Buffer.from(mail, 'latin1'), evidenceLimits(limits))
}

test('a forwarder that the operator trusts may have broken the signature that it has found authentic', async () => {
  const forwarded = evidenceOf('a word changed between two sets')
  const arcSealers = ['sealer.example', 'second.example']
  const trusted = await begin({ arcSealers }).finish(forwarded)
  expect(trusted).toMatchObject({
    verifiedDomain: 'signer.example',
    authentication: {
      ...{ result: 'pass', reason: 'a trusted server that forwarded the message found it authentic' },
      ...{ dkim: [{ result: 'fail' }], dmarc: { result: 'fail', applied: 'reject' } },
      arc: { result: 'pass', isTrusted: true },
    },
  })
  const { authentication, verifiedDomain } = await begin({}).finish(forwarded)
  expect(authentication).toMatchObject({ result: 'fail', arc: { result: 'pass', sealers: arcSealers } })
  expect(verifiedDomain).toBeUndefined()
})

test('mail from trusted networks and from our queue is not checked, in any form of the address', () => {
  const resultOf = (
    remoteAddress: string,
    trustedNetworks: readonly string[],
    protocol: Arrival['protocol'] = 'ESMTP',
  ) => begin({ trustedNetworks, arrival: { remoteAddress, protocol } }).known?.authentication.result
  const networks = ['127.0.0.0/8', '::1', '2001:db8::/32']
  for (const address of ['127.0.0.1', '::ffff:127.0.0.9', '::1', '2001:db8::7%eth0'])
    expect(resultOf(address, networks), address).toBe('trusted')
  for (const address of ['192.0.2.1', '::2', '2001:db9::7', '', 'unknown'])
    expect(resultOf(address, networks), address).toBeUndefined()
  expect(resultOf('', [], 'local')).toBe('local')
})

test('a signature whose key is never found does not delay the result of another one', async () => {
  const { signatures, ...others } = evidenceOf('one set')
  const [own] = signatures
  const foreign = { ...own!, domain: 'slow.example' }
  const known = recordsOf(textZone(corpus.zone))
  const dns: CachedDns = {
    query: (name, type) => (name.endsWith('.slow.example') ? new Promise(() => undefined) : known.query(name, type)),
  }
  const { authentication, verifiedDomain } = await begin({ dns, dnsMs: 200 }).finish({
    ...others,
    signatures: [foreign, own!],
  })
  expect(authentication.dkim).toMatchObject([{ result: 'temperror', domain: 'slow.example' }, { result: 'pass' }])
  expect(verifiedDomain).toBe('signer.example')
})

test('DNS that never answers is a temperror after the limit of time, also for a signed message', async () => {
  const dns: CachedDns = { query: () => new Promise(() => undefined) }
  const { authentication, verifiedDomain } = await begin({ dns, dnsMs: 20 }).finish(evidenceOf('one set'))
  expect(authentication).toMatchObject({
    ...{ result: 'temperror', reason: 'DNS did not answer in time', spf: { result: 'temperror' } },
    ...{ dkim: [{ result: 'temperror' }], dmarc: { result: 'temperror' }, arc: { result: 'temperror' } },
    iprev: { result: 'temperror' },
  })
  expect(verifiedDomain).toBeUndefined()
})

test('a message that cannot be read in time is unauthenticated', async () => {
  const { authentication } = await begin({}).finish(undefined)
  expect(authentication).toMatchObject({ result: 'unauthenticated', reason: 'the message could not be read in time' })
})

test("a stranger's use of our domain counts, unless our domain confirms it", async () => {
  const dns = recordsOf(textZone(corpus.zone))
  const signed = await begin({ dns, ours: ['signer.example'] }).finish(evidenceOf('no set'))
  expect(signed).toMatchObject({ verifiedDomain: 'signer.example', authentication: { result: 'pass' } })
  const forged = await begin({ dns, ours: ['signer.example'] }).finish(evidenceOf('one set, a changed word'))
  expect(forged.authentication).toMatchObject({
    result: 'unauthenticated',
    reason: 'a stranger uses a domain of this server',
  })
  expect([...forged.owners]).toEqual(['signer.example'])
})
