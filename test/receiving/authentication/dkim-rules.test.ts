/** Rules of DKIM that the corpus (independent-verdicts.test.ts) does not show: limits, failures of DNS, unusual keys. */
import { createPublicKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { readSenderEvidence } from '../../../src/formats/dkim/sender-evidence.ts'
import { evidenceLimits } from '../../../src/mail/messages/content/parsed-message.ts'
import { checkArc } from '../../../src/mail/receiving/authentication/arc-check.ts'
import { createSignatureChecks } from '../../../src/mail/receiving/authentication/dkim-check.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { sign, testKey } from '../../support/signed-mail.ts'
import { recordsOf, textZone, type ZoneRecords } from './zone-records.ts'

const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as {
  readonly now: number
  readonly zone: Record<string, string[]>
  readonly dkim: { readonly mail: string }[]
  readonly arc: { readonly mail: string }[]
}
const limits = withLimits({})
const NOW = Math.floor(Date.now() / 1_000)
const MAIL = 'From: Ann <ann@a.example>\r\nSubject: hello\r\n\r\nDear Ada,\r\nbye\r\n'
const KEY = { 's1._domainkey.a.example': { TXT: [testKey(2048).record] } }

async function check(mail: string, zone: ZoneRecords = KEY, at = NOW) {
  const dns = recordsOf(zone)
  const evidence = readSenderEvidence(Buffer.from(mail, 'latin1'), evidenceLimits(limits))
  return { results: await createSignatureChecks({ dns, limits }).checkDkim(evidence, at), asked: dns.asked }
}

/** A key record whose private key nobody has: enough for what is refused before the signature is verified. */
function madeUpKey(bits: number, exponent: Buffer = Buffer.from([1, 0, 1])): string {
  const modulus = randomBytes(bits / 8)
  modulus[0]! |= 0x80
  modulus[modulus.length - 1]! |= 1
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') }
  const der = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' })
  return `v=DKIM1; p=${der.toString('base64')}`
}

test('a signature by mailauth passes, with RSA and with Ed25519, in each canonicalization', async () => {
  const zone = { ...KEY, 'ed._domainkey.a.example': { TXT: [testKey('ed25519').record] } }
  for (const canonicalization of ['simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed']) {
    const once = await sign(MAIL, { domain: 'a.example', canonicalization })
    const twice = await sign(once, { domain: 'a.example', selector: 'ed', key: testKey('ed25519'), canonicalization })
    const { results } = await check(twice, zone)
    expect(results, canonicalization).toEqual([
      { result: 'pass', domain: 'a.example', selector: 'ed', algorithm: 'ed25519-sha256' },
      { result: 'pass', domain: 'a.example', selector: 's1', algorithm: 'rsa-sha256' },
    ])
  }
})

test('eight signatures are verified, and the others are counted; each name is looked up', async () => {
  let mail = MAIL
  for (let index = 0; index < 10; index += 1) mail = await sign(mail, { domain: `d${index}.example` })
  const zone = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`s1._domainkey.d${index}.example`, KEY['s1._domainkey.a.example']!]),
  )
  const { results, asked } = await check(mail, zone)
  expect(results.map(({ result, domain }) => `${result} ${domain ?? ''}`)).toEqual([
    ...[9, 8, 7, 6, 5, 4, 3, 2].map((index) => `pass d${index}.example`),
    'policy ',
  ])
  expect(results.at(-1)!.reason).toBe('2 further signatures were not verified')
  expect(asked).toHaveLength(8)
})

test.each([
  ['a DNS failure', 'fails', 'temperror', 'the key could not be looked up (ESERVFAIL)'],
  ['no such name', undefined, 'permerror', 'there is no key'],
  ['no TXT record', {}, 'permerror', 'there is no key'],
  ['an SPF record instead of a key', { TXT: ['v=spf1 -all'] }, 'permerror', 'there is no key'],
  ['two keys', { TXT: [testKey(2048).record, madeUpKey(1024)] }, 'permerror', 'there are several keys'],
  ['RSA with 1,016 bits', { TXT: [madeUpKey(1016)] }, 'fail', 'the key has only 1016 bits'],
  ['RSA with 4,104 bits', { TXT: [madeUpKey(4104)] }, 'policy', 'the key has 4104 bits, which takes too long'],
  [
    'RSA with an exponent of 1,024 bits',
    { TXT: [madeUpKey(2048, Buffer.alloc(128, 0xff))] },
    'permerror',
    'the exponent of the key is too large',
  ],
  ['Ed25519 for an RSA signature', { TXT: [testKey('ed25519').record] }, 'permerror', 'the key is of another type'],
] as const)('%s', async (_what, records, result, reason) => {
  const mail = await sign(MAIL, { domain: 'a.example' })
  const { results } = await check(mail, records === undefined ? {} : { 's1._domainkey.a.example': records })
  expect(results).toMatchObject([{ result, reason, domain: 'a.example' }])
})

test('a signature counts neither after it has expired, nor an hour before it was made', async () => {
  const signTime = new Date(NOW * 1_000)
  const expires = new Date((NOW + 60) * 1_000)
  const mail = await sign(MAIL, { domain: 'a.example', signTime, expires })
  expect(mail).toContain('x=')
  const resultAt = async (at: number) => (await check(mail, KEY, at)).results[0]!.result
  expect(await resultAt(NOW + 60)).toBe('pass')
  expect(await resultAt(NOW + 61)).toBe('fail')
  expect(await resultAt(NOW - 3_600)).toBe('pass')
  expect(await resultAt(NOW - 3_601)).toBe('policy')
})

test('names with other characters than ASCII are looked up as A-labels', async () => {
  const mail = (await sign(MAIL, { domain: 'xn--bcher-kva.example' })).replace(
    'd=xn--bcher-kva.example',
    `d=${Buffer.from('bücher.example').toString('latin1')}`,
  )
  const { results, asked } = await check(mail, {})
  expect(results).toMatchObject([{ result: 'permerror', domain: 'xn--bcher-kva.example' }])
  expect(asked).toEqual(['TXT s1._domainkey.xn--bcher-kva.example'])
})

test('a header that is too large to be read whole verifies nothing', async () => {
  const mail = await sign(MAIL, { domain: 'a.example' })
  const { results } = await check(mail.replace('\r\n\r\n', `\r\nX-Pad: ${'x'.repeat(300_000)}\r\n\r\n`))
  expect(results).toMatchObject([{ result: 'policy', reason: 'the header is too large to be verified' }])
})

test('no damage to a signed message makes a check fail with an error', async () => {
  const random = seededRandom(20)
  const mails = [...corpus.arc, ...corpus.dkim.slice(-60)].map(({ mail }) => mail)
  const zone = { ...textZone(corpus.zone) }
  for (let round = 0; round < 600; round += 1) {
    const bytes = Buffer.from(mails[Math.floor(random() * mails.length)]!, 'latin1')
    const header = Math.min(bytes.length, 1_500)
    for (let count = 1 + Math.floor(random() * 6); count > 0; count -= 1)
      bytes[Math.floor(random() * header)] = [0, 9, 10, 13, 32, 34, 40, 44, 58, 59, 61, 0xff][
        Math.floor(random() * 12)
      ]!
    const evidence = readSenderEvidence(bytes, evidenceLimits(limits))
    const signatures = createSignatureChecks({ dns: recordsOf(zone), limits })
    await signatures.checkDkim(JSON.parse(JSON.stringify(evidence)), corpus.now)
    const needs = { signatures, trustedSealers: ['sealer.example'], nowSeconds: corpus.now }
    await checkArc(evidence.arc, 'signer.example', needs)
  }
})

test.each([
  ['a key that is no list', 'p=;;;=;'],
  ['a key with bytes above 127', `v=DKIM1; p=${'\xff'.repeat(100)}`],
  ['a key of zeros', `v=DKIM1; p=${Buffer.alloc(200).toString('base64')}`],
  ['a key of 60 KB', `v=DKIM1; p=${randomBytes(45_000).toString('base64')}`],
  ['an Ed25519 key that is too short', `v=DKIM1; k=ed25519; p=${randomBytes(31).toString('base64')}`],
  ['an Ed25519 key that is no point', `v=DKIM1; k=ed25519; p=${Buffer.alloc(32, 0xff).toString('base64')}`],
])('%s verifies nothing', async (_what, record) => {
  const mail = await sign(MAIL, { domain: 'a.example' })
  const { results } = await check(mail, { 's1._domainkey.a.example': { TXT: [record] } })
  expect(results[0]!.result).toBe('permerror')
})

test('reading signatures takes time linear in the size of the message, whatever they say', () => {
  const signature = (l: number) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=${'from:'.repeat(1_000)}from; l=${l}; bh=AAAA; b=AAAA\r\n`
  const hostile = [
    Array.from({ length: 40 }, (_, index) => signature(index)).join(''),
    `DKIM-Signature: ${'b=;'.repeat(60_000)}\r\n`,
    `DKIM-Signature: v=1;${' '.repeat(200_000)}b=\r\n`,
    `ARC-Seal: i=1;${' ;'.repeat(100_000)}\r\n`,
    `Authentication-Results: ${'('.repeat(200_000)}\r\n`,
    `Authentication-Results: "${'\\"'.repeat(100_000)}\r\n`,
  ]
  const body = `${'a \t b\r\n'.repeat(150_000)}`
  const startCpu = process.cpuUsage()
  for (const fields of hostile)
    readSenderEvidence(Buffer.from(`${fields}From: a@a.example\r\n\r\n${body}`), evidenceLimits(limits))
  const { user } = process.cpuUsage(startCpu)
  expect(user / 1_000).toBeLessThan(2_000)
})
