/**
 * Fuzz targets for what strangers write first: SMTP sessions, messages, addresses, and what authenticates senders. None may fail, take
 * long, or give a result that cannot be stored. How they run: fuzzer.ts.
 */
// Before the code whose blocks it counts
import './coverage.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import {
  formatAddress,
  isSmtpMailbox,
  normaliseAddress,
  normaliseDomain,
  parseRecipient,
  splitAddress,
  writeAddrSpec,
} from '../../src/formats/address/address.ts'
import { parseAddressList } from '../../src/formats/address/address-list.ts'
import { isKeyRecord, readKeyRecord } from '../../src/formats/dkim/dkim-key-record.ts'
import { readSenderEvidence } from '../../src/formats/dkim/sender-evidence.ts'
import { isDmarcRecord, readDmarcRecord } from '../../src/formats/dmarc/dmarc-record.ts'
import { readResults } from '../../src/formats/mime/authentication-results.ts'
import type { Authentication } from '../../src/mail/messages/authentication.ts'
import { changedBytes } from '../../src/mail/messages/content/changed-header.ts'
import { evidenceLimits, parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { checkArc } from '../../src/mail/receiving/authentication/arc-check.ts'
import { createSignatureChecks } from '../../src/mail/receiving/authentication/dkim-check.ts'
import { checkDmarc } from '../../src/mail/receiving/authentication/dmarc-check.ts'
import { forgedParts, resultsField } from '../../src/mail/receiving/authentication/results-field.ts'
import { checkSpf } from '../../src/mail/receiving/authentication/spf-check.ts'
import type { CachedDns } from '../../src/net/dns/dns-cache.ts'
import { DnsError } from '../../src/net/dns/dns-query.ts'
import { startListener } from '../smtp/listener.ts'
import { fuzz, TIMEOUT_MS } from './fuzzer.ts'

const limits = withLimits({})
const NUL_OR_LONE = /\0/

function expectText(text: string): void {
  expect(NUL_OR_LONE.test(text) || Buffer.from(text).toString() !== text, JSON.stringify(text)).toBe(false)
}

test('SMTP sessions', { timeout: TIMEOUT_MS }, async () => {
  const { port, logged, receiving } = await startListener({ smtp: { errorsMax: 1_000, commandsMax: 10_000 } })
  await fuzz({
    name: 'smtp-sessions',
    words: [
      ...['EHLO a.test\r\n', 'HELO a\r\n', 'MAIL FROM:<', 'RCPT TO:<', '@mail.example.test>', '>\r\n', 'DATA\r\n'],
      ...['\r\n.\r\n', '\n.\n', '\r\n.', '..', 'RSET\r\n', 'NOOP\r\n', 'QUIT\r\n', 'VRFY ', 'HELP', 'STARTTLS\r\n'],
      ...[' SIZE=', ' BODY=8BITMIME', ' SMTPUTF8', ' AUTH=<>', ' RET=HDRS', 'BDAT 5 LAST\r\n', 'AUTH PLAIN\r\n'],
      ...['@a,@b:', '"', '\\', '[127.0.0.1]', '[IPv6:::1]', '\0', '\r', '\xff', '\xc3\xa9', ' ', '<', '>'],
    ],
    async run(input) {
      receiving.filed.length = 0
      logged.length = 0
      const client = connect(port, '127.0.0.1')
      client.on('error', () => client.destroy())
      client.on('data', () => undefined)
      const closed = new Promise((resolve) => client.once('close', resolve))
      await once(client, 'data') // the greeting
      client.end(input) // every command is answered, and then the server ends its side
      await closed
      expect(logged.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([])
      for (const { envelope, raw } of receiving.filed) {
        for (const address of [envelope.sender, ...envelope.recipients]) expectText(address)
        expect(raw.includes('\n.\r\n.\r\n')).toBe(false) // no end of data inside
      }
    },
  })
})

test('messages', { timeout: TIMEOUT_MS }, async () => {
  await fuzz({
    name: 'messages',
    words: [
      ...[
        '\r\n',
        '\r\n\r\n',
        '\n',
        '--b',
        '--b--\r\n',
        'Content-Type: multipart/mixed; boundary=b\r\n\r\n',
        '; charset=',
      ],
      ...['Content-Transfer-Encoding: base64\r\n', 'Content-Transfer-Encoding: quoted-printable\r\n', 'iso-2022-jp'],
      ...[
        'Content-Type: text/html\r\n\r\n',
        'Content-Type: message/rfc822\r\n\r\n',
        '; format=flowed',
        'utf-7',
        'gb18030',
      ],
      ...[
        '=?utf-8?q?=41?=',
        '=?utf-8?b?',
        '?=',
        'filename*0*=',
        "utf-8''%41",
        '<blockquote>',
        '<style>',
        '<!--',
        '&#x41;',
      ],
      ...[
        'Message-ID: <',
        'References: <a@b> <',
        'Subject: Re: ',
        'Your code is 123456',
        'https://a.test/verify?token=',
        '> ',
      ],
      ...[
        'On Mon, 30 Nov 2026, Ann wrote:\r\n',
        'From: Ann <a@b.test>\r\n',
        '\0',
        '\x1b$B',
        '+2AA-',
        '\xff',
        '\xe2\x80\xae',
      ],
    ],
    run(input) {
      const parsed = parseMail(input, limits)
      const { compressedBodies: _, compressedSource: __, searchText: ___, ...stored } = parsed
      JSON.stringify(stored, (_key, value) => {
        if (typeof value === 'string') expectText(value)
        return value
      })
    },
  })
})

test('addresses', { timeout: TIMEOUT_MS }, async () => {
  await fuzz({
    name: 'addresses',
    words: [
      ...['<', '>', '@', '"', '\\"', '(', ')', ',', ';', ':', '.', '..', '[127.0.0.1]', '[IPv6:', 'xn--', '=?utf-8?q?'],
      ...['?=', '\r\n ', '\0', ' ', '+tag', 'a.test', '\xc3\xa9', '\xe3\x80\x82', '\xf0\x9f\x98\x80', '\xff', '%', '!'],
    ],
    run(input) {
      const text = input.toString()
      for (const { name = '', address } of parseAddressList(text)) {
        expect(name + address).not.toMatch(/[\r\n\0]/)
        const { localPart, domain } = splitAddress(address)
        expect(`${localPart}@${domain}`.length).toBeLessThanOrEqual(address.length + 1)
        formatAddress({ name, address })
        const normal = normaliseAddress(address)
        if (normal === undefined) continue
        expect(normaliseAddress(normal)).toBe(normal) // otherwise one address would be two
        isSmtpMailbox(normal)
        // What we write is read as the same address.
        const written = parseAddressList(formatAddress({ name, address: normal }))
        expect(written.map((each) => normaliseAddress(each.address))).toEqual([normal])
        writeAddrSpec(normal)
      }
      const recipient = parseRecipient(text)
      if (recipient) expect(normaliseAddress(recipient.address)).toBeDefined()
      const domain = normaliseDomain(text)
      if (domain !== undefined) expect(normaliseDomain(domain)).toBe(domain)
    },
  })
})

/** Answers every question with a text that the input contains. */
function dnsOf(text: string): CachedDns {
  const records = text.split('\n').filter((line) => line !== '')
  return {
    async query(_name, type) {
      const found = records.filter((line) => (type === 'TXT' ? !line.startsWith('A ') : line.startsWith('A ')))
      if (found.length === 0) throw new DnsError('ENODATA', 'x')
      return type === 'TXT' ? found : type === 'MX' ? ['10 mx.a.test'] : ['192.0.2.1']
    },
  }
}

test('what authenticates senders', { timeout: TIMEOUT_MS }, async () => {
  await fuzz({
    name: 'authentication',
    words: [
      ...[
        'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=From:To; bh=',
        '; b=',
        '; c=relaxed/simple',
        '; l=5',
        '; t=1',
      ],
      ...[
        '; x=2',
        '; i=@a.test',
        '; q=dns/txt',
        'ARC-Seal: i=1; cv=none; ',
        'ARC-Message-Signature: i=1; ',
        'From: a@a.test\r\n',
      ],
      ...[
        'ARC-Authentication-Results: i=1; ',
        'Authentication-Results: mx.test; dkim=pass',
        ' header.d=',
        '; spf=',
        '(',
        ')',
        '"',
      ],
      ...[
        'v=spf1 include:a.test ',
        'ip4:192.0.2.0/24 ',
        'ip6:::1/0',
        'redirect=%{d}',
        'exp=%{ir}.%{l1r-}',
        'mx//0',
        'ptr:',
        '-all',
      ],
      ...[
        'v=DMARC1; p=reject; ',
        'sp=',
        'pct=5',
        'adkim=s',
        'v=DKIM1; k=rsa; p=',
        'k=ed25519; p=',
        't=y:s',
        '\r\n\r\n',
        '\n',
        '\0',
      ],
    ],
    async run(input) {
      // The first part is DNS, the second one the message.
      const at = input.indexOf('\n\n')
      const dnsText = input.toString('latin1', 0, Math.max(at, 0))
      const raw = input.subarray(at < 0 ? 0 : at + 2)
      const dns = dnsOf(dnsText)
      const evidence = JSON.parse(JSON.stringify(readSenderEvidence(raw, evidenceLimits(limits))))
      const signatures = createSignatureChecks({ dns, limits })
      const dkim = await signatures.checkDkim(evidence, 1_790_000_000)
      const needs = { signatures, trustedSealers: ['a.test'], nowSeconds: 1_790_000_000, client: '' }
      const arc = await checkArc(evidence.arc, 'a.test', needs)
      const client = { ipAddress: '192.0.2.1', helo: 'mx.a.test', sender: 'a@a.test' }
      const spf = await checkSpf(client, { dns, hostname: 'mx.test', limits })
      const dmarc = await checkDmarc('a.test', spf, dkim, { dns, limits, random: () => 0 })
      const found: Authentication = {
        ...{ result: 'pass', fromDomain: 'a.test', dmarc: dmarc.finding, arc, spf: { ...spf, isAligned: false } },
        dkim: dkim.map((each) => ({ ...each, isAligned: false })),
      }
      const field = resultsField('mx.test', found, { ipAddress: '192.0.2.1' })
      expect(field.slice(0, -2).replaceAll('\r\n ', '')).not.toMatch(/[\r\n\0]/) // no line of it is another field
      readResults(field)
      const forged = forgedParts('mx.test', evidence)
      for (const { start, end } of forged.removed ?? []) expect([start >= 0, end <= raw.length]).toEqual([true, true])
      expect(changedBytes(raw, forged).length).toBeLessThanOrEqual(raw.length)
      for (const record of dnsText.split('\n')) {
        if (isKeyRecord(record)) readKeyRecord(record)
        if (isDmarcRecord(record)) readDmarcRecord(record)
        readResults(record)
      }
    },
  })
})
