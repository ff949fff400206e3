/** Tests what the DNS records of a domain must be, and how those in DNS are judged. */
import { expect, test } from 'vitest'
import {
  checkRecord,
  type ExpectedRecord,
  expectedRecords,
  queriedName,
  type RecordPurpose,
  type SeenRecord,
} from '../../src/mail/domains/domain-records.ts'
import { recommendedRecords } from '../../src/mail/domains/recommended-records.ts'
import { zoneFile } from '../../src/mail/domains/zone-file.ts'

const server = { hostname: 'mail.example', spfTerm: 'a:mail.example' }
/** Shorter than a real key, but longer than one string of a TXT record. */
const KEY = 'A'.repeat(300)
const about = { domain: 'a.test', selector: 'm1', publicKey: KEY, isInbound: true, hasSubdomains: true }

function expected(purpose: RecordPurpose): ExpectedRecord {
  return expectedRecords(about, server).find((record) => record.purpose === purpose)!
}
const mx = (value: string, priority = 10): SeenRecord => ({ value, priority })
const txt = (value: string): SeenRecord => ({ value })
const dkim = `v=DKIM1; k=rsa; p=${KEY}`

test('a domain needs records for what it does', () => {
  const purposes = (change: object, names = server) =>
    expectedRecords({ ...about, ...change }, names).map(({ purpose, name }) => `${purpose} ${name}`)
  expect(purposes({})).toEqual([
    ...[
      'inbound a.test',
      'subdomain_inbound *.a.test',
      'spf a.test',
      'dkim m1._domainkey.a.test',
      'dmarc _dmarc.a.test',
    ],
  ])
  expect(purposes({ hasSubdomains: false, isInbound: false })).toEqual([
    ...['spf a.test', 'dkim m1._domainkey.a.test', 'dmarc _dmarc.a.test'],
  ])
  expect(purposes({ isInbound: false }, { ...server, spfTerm: undefined as never })).toEqual([
    ...['dkim m1._domainkey.a.test', 'dmarc _dmarc.a.test'],
  ])
  expect(queriedName(expected('subdomain_inbound'))).toBe('martlet-check.a.test')
})

test.each<[RecordPurpose, readonly SeenRecord[], string]>([
  ['inbound', [], 'MISSING'],
  ['inbound', [mx('mail.example')], 'VALID'],
  ['inbound', [mx('MAIL.example.', 0), mx('backup.test', 5)], 'VALID'],
  ['inbound', [mx('mail.example'), mx('other.test')], 'VALID'],
  ['inbound', [mx('mail.example'), mx('other.test', 5)], 'INVALID value_mismatch'],
  ['inbound', [mx('other.test')], 'INVALID value_mismatch'],
  ['spf', [], 'MISSING'],
  ['spf', [txt('google-site-verification=x'), txt('v=spf10 a:mail.example')], 'MISSING'],
  ['spf', [txt('v=spf1 a:mail.example ~all')], 'VALID'],
  ['spf', [txt('V=SPF1  include:_spf.x.test  +A:mail.example  -all'), txt('other')], 'VALID'],
  ['spf', [txt('v=spf1 a:mail.example.evil.test ~all')], 'INVALID value_mismatch'],
  ['spf', [txt('v=spf1 -a:mail.example ~all')], 'INVALID value_mismatch'],
  ['spf', [txt('v=spf1 a:mail.example ~all'), txt('v=spf1 -all')], 'INVALID duplicate_records'],
  ['dkim', [], 'MISSING'],
  ['dkim', [txt('hello')], 'MISSING'],
  ['dkim', [txt(dkim)], 'VALID'],
  ['dkim', [txt(`k=rsa;p=${KEY.slice(0, 20)} ${KEY.slice(20)};`)], 'VALID'],
  ['dkim', [txt(`v=DKIM1; k=rsa; p=${KEY.slice(1)}`)], 'INVALID value_mismatch'],
  ['dkim', [txt('v=DKIM1; p=')], 'INVALID value_mismatch'],
  ['dkim', [txt(dkim), txt(dkim)], 'INVALID duplicate_records'],
  ['dmarc', [], 'MISSING'],
  ['dmarc', [txt('v=DMARC1; p=none; rua=mailto:a@a.test')], 'VALID'],
  ['dmarc', [txt('v=DMARC1;p=quarantine')], 'VALID'],
  ['dmarc', [txt('v=DMARC1; p=maybe')], 'INVALID value_mismatch'],
  ['dmarc', [txt('v=DMARC1; p=none'), txt('v=DMARC1; p=reject')], 'INVALID duplicate_records'],
])('%s %j is %s', (purpose, seen, result) => {
  const { status, reason } = checkRecord(expected(purpose), seen, server)
  expect([status, reason].filter(Boolean).join(' ')).toBe(result)
})

test('records for mail programs and other servers are recommended as far as the server can serve them', () => {
  const ports = { submissionPort: 2587, submissionsPort: 2465 } as const
  const off = { imapPort: 'off', imapsPort: 'off', publicUrl: undefined, mtaSts: 'off' } as const
  const minimal = { hostname: 'mail.a.test', ...ports, ...off }
  const submission = [
    { type: 'SRV', name: '_submissions._tcp.a.test', value: '1 465 mail.a.test', priority: 0 },
    { type: 'SRV', name: '_submission._tcp.a.test', value: '1 587 mail.a.test', priority: 1 },
  ]
  expect(recommendedRecords('a.test', minimal)).toEqual(submission)
  expect(recommendedRecords('a.test', { ...minimal, submissionsPort: 'off' })).toEqual([submission[1]])
  expect(recommendedRecords('a.test', { ...minimal, hostname: 'mail.localhost' })).toEqual([])
  const forwarded = { ...minimal, publicSmtp: { host: 'out.a.test', port: 2525 } }
  expect(recommendedRecords('a.test', forwarded)[1]!.value).toBe('1 2525 out.a.test')
  const imap = { ...minimal, submissionPort: 'off', submissionsPort: 'off', imapPort: 2143, imapsPort: 2993 } as const
  expect(recommendedRecords('a.test', imap)).toEqual([
    { type: 'SRV', name: '_imaps._tcp.a.test', value: '1 993 mail.a.test', priority: 0 },
    { type: 'SRV', name: '_imap._tcp.a.test', value: '1 143 mail.a.test', priority: 1 },
  ])

  const whole = { ...minimal, publicUrl: 'https://api.a.test/mail', mtaSts: 'enforce' } as const
  const records = recommendedRecords('a.test', whole)
  expect(records).toEqual([
    ...submission,
    { type: 'CNAME', name: 'autoconfig.a.test', value: 'api.a.test' },
    { type: 'SRV', name: '_autodiscover._tcp.a.test', value: '1 443 api.a.test', priority: 0 },
    { type: 'CNAME', name: 'mta-sts.a.test', value: 'api.a.test' },
    { type: 'TXT', name: '_mta-sts.a.test', value: expect.stringMatching(/^v=STSv1; id=[0-9a-f]{20}$/) },
  ])
  // A changed policy has another id, so that senders fetch it.
  const testing = recommendedRecords('a.test', { ...whole, mtaSts: 'testing' })
  expect(testing.at(-1)!.value).not.toBe(records.at(-1)!.value)
  // Others cannot use these.
  for (const publicUrl of [
    'http://api.a.test',
    'https://api.a.test:8443',
    'https://192.0.2.1',
    'https://[2001:db8::1]',
  ])
    expect(recommendedRecords('a.test', { ...whole, publicUrl })).toEqual(submission)
  const zone = zoneFile('a.test', records)
  expect(zone).toContain('_submissions._tcp.a.test.\t3600\tIN\tSRV\t0 1 465 mail.a.test.\n')
  expect(zone).toContain('mta-sts.a.test.\t3600\tIN\tCNAME\tapi.a.test.\n')
  expect(zone).toMatch(/_mta-sts\.a\.test\.\t3600\tIN\tTXT\t"v=STSv1; id=\w+"\n/)
})

test('a zone file has absolute names, and strings of at most 255 bytes', () => {
  const lines = zoneFile('a.test', expectedRecords({ ...about, hasSubdomains: false }, server))
    .trimEnd()
    .split('\n')
  expect(lines[1]).toBe('a.test.\t3600\tIN\tMX\t10 mail.example.')
  expect(lines[2]).toBe('a.test.\t3600\tIN\tTXT\t"v=spf1 a:mail.example ~all"')
  const [name, , , , strings = ''] = lines[3]!.split('\t')
  expect(name).toBe('m1._domainkey.a.test.')
  const parts = strings.slice(1, -1).split('" "')
  expect(parts.map((part) => part.length)).toEqual([255, dkim.length - 255])
  expect(parts.join('')).toBe(dkim)
})
