/** Rules of DMARC that the corpus (independent-verdicts.test.ts) does not show, and what follows from its result. */
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { MailError } from '../../../src/errors.ts'
import type { Authentication, SpfFinding } from '../../../src/mail/messages/authentication.ts'
import { checkDmarc } from '../../../src/mail/receiving/authentication/dmarc-check.ts'
import { decideFiling } from '../../../src/mail/receiving/policy/delivery-verdict.ts'
import type { CachedDns } from '../../../src/net/dns/dns-cache.ts'
import { recordsOf, textZone, type ZoneRecords } from './zone-records.ts'

const limits = withLimits({})
const silent: CachedDns = { query: () => new Promise(() => undefined) }

type Spf = readonly [SpfFinding['result'], string?]

async function check(from: string, zone: ZoneRecords, [result, domain]: Spf = ['none'], random = 0) {
  const spf = { result, identity: 'mailfrom', ...(domain !== undefined && { domain }) } as const
  const dns = recordsOf(zone)
  return { ...(await checkDmarc(from, spf, [], { dns, limits, random: () => random })), asked: dns.asked }
}

const reject = textZone({ '_dmarc.a.example': ['v=DMARC1; p=reject'] })

test('while the record cannot be looked up, only the domain of From itself confirms a message: it may demand that', async () => {
  for (const dns of [recordsOf({ '_dmarc.a.example': 'fails' }), silent]) {
    const needs = { dns, limits: withLimits({ authentication: { dnsMs: 20 } }), random: () => 0 }
    const passFor = (domain: string) =>
      checkDmarc('a.example', { result: 'pass', identity: 'mailfrom', domain }, [], needs)
    expect(await passFor('a.example')).toMatchObject({ isPass: true, finding: { result: 'temperror' } })
    expect(await passFor('b.a.example')).toMatchObject({ isPass: false, finding: { result: 'temperror' } })
    const signedBy = (domain: string) =>
      checkDmarc('a.example', { result: 'none', identity: 'mailfrom' }, [{ result: 'pass', domain }], needs)
    expect(await signedBy('a.example')).toMatchObject({ isPass: true, isDkimAligned: [true] })
    expect(await signedBy('b.a.example')).toMatchObject({ isPass: false, isDkimAligned: [false] })
  }
})

test('a DNS failure of the record, or of an aligned check, is a temperror; one of another domain is not', async () => {
  expect((await check('a.example', { '_dmarc.a.example': 'fails' })).finding.result).toBe('temperror')
  expect((await check('a.example', reject, ['temperror', 'a.example'])).finding.result).toBe('temperror')
  expect((await check('a.example', reject, ['temperror', 'b.example'])).finding.result).toBe('fail')
  // An aligned pass needs no record.
  expect(await check('a.example', { '_dmarc.a.example': 'fails' }, ['pass', 'a.example'])).toMatchObject({
    isPass: true,
  })
})

test('users of a private suffix are not each other; they have no common record', async () => {
  const zone = textZone({ '_dmarc.github.io': ['v=DMARC1; p=none'] })
  const { isPass, asked } = await check('ann.github.io', zone, ['pass', 'eve.github.io'])
  expect(isPass).toBe(false)
  expect(asked).toEqual(['TXT _dmarc.ann.github.io'])
  expect(await check('ann.github.io', zone, ['pass', 'mail.ann.github.io'])).toMatchObject({ isPass: true })
})

test('pct= exempts a share of the mail, which gets the next weaker policy', async () => {
  const zone = textZone({
    '_dmarc.a.example': ['v=DMARC1; p=reject; pct=20'],
    '_dmarc.b.example': ['v=DMARC1; p=quarantine; pct=0'],
    '_dmarc.c.example': ['v=DMARC1; p=reject; pct=x'],
  })
  const applied = async (from: string, random: number) => (await check(from, zone, ['none'], random)).finding.applied
  expect(await applied('a.example', 0.19)).toBe('reject')
  expect(await applied('a.example', 0.2)).toBe('quarantine')
  expect(await applied('b.example', 0)).toBe('none')
  expect(await applied('c.example', 0.99)).toBe('reject')
})

const policyOf = async (...records: string[]) =>
  (await check('a.example', textZone({ '_dmarc.a.example': records }))).finding

test.each([
  'v=DMARC1; p=reject;; rua=mailto:x@a.example',
  'v=DMARC1;; p=reject',
  'v=DMARC1; p=reject; rua',
  'v=DMARC1; rua mailto:x@a.example; p=reject;;',
  'v=DMARC1; p=reject; =x; 1=2; a b=c; é=1',
  'v=DMARC1; p=reject; p=none',
  'v=DMARC1; v=DMARC1; p=reject; sp=none; sp=bogus',
  'v=DMARC1; p=reject; pct=bogus; adkim=x',
])('of %j, what is malformed is left out', async (record) => {
  expect(await policyOf(record)).toMatchObject({ result: 'fail', applied: 'reject' })
})

test('a record without a valid policy, or of which there are two, asks for nothing; with rua= it counts as p=none', async () => {
  expect(await policyOf('v=DMARC1; p=bogus')).toMatchObject({ result: 'permerror' })
  expect(await policyOf('v=DMARC1; p=; p=reject')).toMatchObject({ result: 'permerror' })
  expect(await policyOf('v=DMARC1; p reject')).toMatchObject({ result: 'permerror' })
  expect(await policyOf('v=DMARC1; p=reject', 'v=DMARC1; p=none')).toMatchObject({ result: 'none' })
  expect(await policyOf('v=DMARC1; rua=mailto:a@a.example')).toMatchObject({ result: 'fail', policy: 'none' })
  expect(await policyOf('v=DMARC1; p=reject; t=y; psd=n; np=reject')).toMatchObject({ applied: 'reject' })
})

test.each<
  [Authentication['result'], 'none' | 'quarantine' | 'reject' | undefined, SpfFinding['result'], string[] | 'refused']
>([
  ['pass', undefined, 'pass', []],
  ['trusted', undefined, 'none', []],
  ['local', undefined, 'none', []],
  ['unverified', 'none', 'pass', []],
  ['unauthenticated', 'none', 'none', ['unauthenticated']],
  ['temperror', undefined, 'temperror', ['unauthenticated']],
  ['fail', 'quarantine', 'pass', ['spam']],
  ['fail', 'reject', 'pass', 'refused'],
])('result %s with the policy %s becomes %j', (result, applied, spf, labels) => {
  const authentication: Authentication = {
    ...{ result, fromDomain: 'a.example', spf: { result: spf, identity: 'mailfrom', isAligned: false } },
    ...(applied && { dmarc: { result: 'fail', applied, policy: applied } }),
  }
  const decide = (dmarcReject: 'reject' | 'label' | 'accept', owners: (string | null)[] = []) =>
    decideFiling({ authentication, owners: new Set(owners) }, { dmarcReject }).labels
  if (labels !== 'refused') return expect(decide('reject')).toEqual(labels)
  expect(() => decide('reject')).toThrow(new MailError('dmarc_rejected', { domain: 'a.example' }))
  expect(decide('label')).toEqual(['spam'])
  expect(decide('accept')).toEqual([])
  expect(decide('accept', ['organization'])).toEqual(['unauthenticated'])
})
