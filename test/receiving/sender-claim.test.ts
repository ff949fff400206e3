/** Which senders can be challenged, and what they claim. */
import { expect, test } from 'vitest'
import type { Authentication } from '../../src/mail/messages/authentication.ts'
import { isChallenged } from '../../src/mail/receiving/challenges/challenge-rules.ts'
import { type ClaimingMail, partsOf, senderClaim } from '../../src/mail/receiving/challenges/sender-claim.ts'

const authentication: Authentication = {
  result: 'unauthenticated',
  fromDomain: 'a.test',
  spf: { result: 'none', identity: 'mailfrom', isAligned: false },
  dkim: [],
  dmarc: { result: 'none' },
}
const mail: ClaimingMail = {
  sender: 'Ann@a.test',
  from: [{ address: 'ann@A.test' }],
  authentication,
  isFromOwnDomain: false,
  remoteAddress: '192.0.2.7',
}
const claimOf = (change: Partial<ClaimingMail> | Partial<Authentication>) => {
  const isOfMail = Object.keys(change).some((name) => name in mail)
  const changed = isOfMail ? { ...mail, ...change } : { ...mail, authentication: { ...authentication, ...change } }
  return senderClaim(changed as ClaimingMail, 400)
}
const dkim = (result: 'pass' | 'fail' | 'temperror', domain: string, isAligned = false) => ({
  result,
  domain,
  isAligned,
})
const spf = (result: 'neutral' | 'softfail' | 'fail' | 'temperror' | 'permerror') => ({
  ...authentication.spf!,
  result,
})

test.each<[string, Partial<ClaimingMail> | Partial<Authentication>, string]>([
  ['nothing', {}, 'network:192.0.2.7 ann@a.test'],
  ['an IPv6 client: its network', { remoteAddress: '2001:db8::1:2:3:4' }, 'network:2001:db8:0:0::/64 ann@a.test'],
  ['a neutral SPF record', { spf: spf('neutral') }, 'network:192.0.2.7 ann@a.test'],
  [
    'several domains that sign, in any order',
    { dkim: [dkim('pass', 'Z.test'), dkim('pass', 'B.test')] },
    'signed:b.test ann@a.test',
  ],
  ['a signature of a strange name', { dkim: [dkim('pass', 'x y.test')] }, 'network:192.0.2.7 ann@a.test'],
  [
    'another domain that signs',
    { result: 'unverified', dkim: [dkim('fail', 'x.test'), dkim('pass', 'host.test')] },
    'signed:host.test ann@a.test',
  ],
])('with %s, the sender claims its address and an origin', (_case, change, claim) => {
  expect(claimOf(change)).toBe(claim)
  const { origin, address } = partsOf(claim)
  expect([origin, address].join(' ')).toBe(claim)
})

test.each<[string, Partial<ClaimingMail> | Partial<Authentication>]>([
  ['is a bounce', { sender: '' }],
  ['has another envelope sender', { sender: 'eve@a.test' }],
  ['has a tag in the envelope alone', { sender: 'ann+x@a.test' }],
  ['has two addresses in From', { from: [{ address: 'ann@a.test' }, { address: 'eve@b.test' }] }],
  ['has no address in From', { from: [] }],
  ['has a malformed address', { from: [{ address: 'ann' }], sender: 'ann' }],
  [
    'has a very long address',
    { from: [{ address: `${'x'.repeat(400)}@a.test` }], sender: `${'x'.repeat(400)}@a.test` },
  ],
  ['comes from our own queue', { remoteAddress: undefined }],
  ['is authenticated', { result: 'pass' }],
  ['comes from a trusted network', { result: 'trusted' }],
  ['met a DNS failure', { result: 'temperror' }],
  ['fails DMARC', { result: 'fail', dmarc: { result: 'fail', policy: 'reject' } }],
  ['fails DMARC with the policy none', { dmarc: { result: 'fail', policy: 'none' } }],
  ['has an unreadable DMARC record', { dmarc: { result: 'permerror' } }],
  ['was not compared with DMARC', { dmarc: undefined } as object],
  ['fails SPF', { spf: spf('fail') }],
  ['softly fails SPF', { spf: spf('softfail') }],
  ['has an unreadable SPF record', { spf: spf('permerror') }],
  ['met a failure of SPF', { spf: spf('temperror') }],
  ['has a broken signature of its domain', { dkim: [dkim('fail', 'a.test', true)] }],
  ['has a signature of its domain whose key is not found now', { dkim: [dkim('temperror', 'a.test', true)] }],
  ['uses a domain of this server', { isFromOwnDomain: true }],
  ['shows another From than the one that was checked', { fromDomain: 'b.test' }],
  ['has an address without a domain name', { from: [{ address: 'ann@[192.0.2.1]' }], sender: 'ann@[192.0.2.1]' }],
  ['has several From fields', { fromDomain: undefined } as object],
])('a sender whose message %s claims nothing', (_case, change) => {
  expect(claimOf(change)).toBeUndefined()
})

const parsed = { to: [{ address: 'Agent@a.test' }], cc: [] }
const challenged = {
  ...{ inbox: { challenge_senders: null }, senderClaim: 'network:192.0.2.7 ann@a.test', sender: 'ann@a.test' },
  ...{ recipient: 'agent@a.test', parsed, labels: ['unauthenticated'], isRepeated: false },
}

test.each([
  ['off', null, false],
  ['off', 1, false],
  ['inboxes', null, false],
  ['inboxes', 0, false],
  ['inboxes', 1, true],
  ['all', null, true],
  ['all', 0, false],
] as const)(
  'with the setting %s and %s in the inbox, a sender is challenged: %s',
  (mode, challenge_senders, expected) => {
    expect(isChallenged({ ...challenged, inbox: { challenge_senders } }, mode)).toBe(expected)
  },
)

test.each([
  ['without a claim', { senderClaim: undefined }],
  ['of a repeated message', { isRepeated: true }],
  ['of spam', { labels: ['spam', 'unauthenticated'] }],
  ['of blocked mail', { labels: ['blocked'] }],
  ['of automatic mail', { parsed: { ...parsed, isUnanswerable: true as const } }],
  ['of mail that does not name the inbox', { parsed: { to: [{ address: 'other@a.test' }], cc: [] } }],
  ...[
    ...['postmaster', 'Mailer-Daemon', 'no-reply', 'noreply', 'do-not-reply', 'owner-x', 'x-request', 'x-bounces'],
    ...['bounce+7=x', 'listserv'],
  ].map((name) => [`named ${name}`, { sender: `${name}@a.test` }] as [string, object]),
])('a sender %s is not challenged', (_case, change) => {
  expect(isChallenged({ ...challenged, ...change }, 'all')).toBe(false)
})

test('a sender is challenged if Cc names the inbox, with the tag of the recipient', () => {
  const cc = [{ name: 'Agent', address: 'AGENT+tag@a.test' }]
  expect(isChallenged({ ...challenged, recipient: 'agent+tag@a.test', parsed: { to: [], cc } }, 'all')).toBe(true)
})
