/** Bounce notices as mail programs read them: parsed by our own parser, and by mailparser for comparison. */
import { simpleParser } from 'mailparser'
import { describe, expect, test } from 'vitest'
import { composeNotice, type NoticeInput, type NoticeRecipient, noticeStatus } from '../../../src/formats/dsn/dsn.ts'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { decodePart } from '../../../src/formats/mime/transfer-encoding.ts'
import { expectBounded } from '../bounded.ts'
import { seededRandom } from '../random.ts'
import { LIMITS } from '../sample-messages.ts'

const head = [
  'DKIM-Signature: v=1; a=rsa-sha256;',
  ' b=abc',
  'From: Ada <ada@mail.example>',
  'To: bob@example.net',
  'Subject: =?UTF-8?Q?gr=C3=BC=C3=9Fe?=',
  'Message-ID: <0190@mail.example>',
  '',
  'the body',
].join('\r\n')

const bob: NoticeRecipient = {
  address: 'bob@example.net',
  status: '5.1.1',
  code: 550,
  reply: '5.1.1 No such user',
  remote: 'mx1.example.net [192.0.2.1]:25',
  lastAttemptAt: new Date('2026-11-21T10:05:00Z'),
  attempts: 1,
}

const failed: NoticeInput = {
  action: 'failed',
  messageId: '<notice@mail.example>',
  date: new Date('2026-11-21T10:06:00Z'),
  boundary: '01990000-0000-7000-8000-000000000000',
  reportingMta: 'mx.mail.example',
  fromDomain: 'mail.example',
  to: 'ada@mail.example',
  recipients: [bob],
  original: { arrivedAt: new Date('2026-11-21T10:00:00Z'), head: Buffer.from(head) },
}

const withRecipient = (more: Partial<NoticeRecipient>) =>
  composeNotice({ ...failed, recipients: [{ ...bob, ...more }] })

/** Parses the notice with both parsers, which must agree. */
async function read(raw: Buffer) {
  const parsed = parseMessage(raw, LIMITS)
  const other = await simpleParser(raw, { keepDeliveryStatus: true })
  expect(other.subject).toBe(parsed.subject)
  expect(other.text?.trimEnd()).toBe(parsed.text?.trimEnd())
  expect(other.attachments.map(({ contentType }) => contentType)).toEqual(
    parsed.attachments.map(({ contentType }) => contentType),
  )
  const parts = parsed.attachments.map((part) => ({ ...part, text: decodePart(raw, part).toString() }))
  for (const [index, { content }] of other.attachments.entries()) {
    expect(content.toString().trimEnd()).toBe(parts[index]!.text.trimEnd())
  }
  const status = parts.find(({ contentType }) => contentType.endsWith('delivery-status'))!
  const groups = status.text.trim().split(/\r\n\r\n/)
  const fields = groups.map((group) =>
    Object.fromEntries(
      group
        .replace(/\r\n /g, ' ')
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    ),
  )
  return { parsed, parts, status, fields }
}

/** Expects what must be true of every notice, whatever its input. */
function expectWellFormed(raw: Buffer): void {
  const lines = raw.toString('latin1').split('\r\n')
  expect(lines.filter((line) => /[\r\n\0]/.test(line))).toEqual([])
  expect(lines.filter((line) => line.length > 998)).toEqual([])
}

test('a failure notice says which recipient failed and why, and belongs to the thread of the original', async () => {
  const raw = composeNotice(failed)
  expectWellFormed(raw)
  const { parsed, parts, fields } = await read(raw)

  expect(parsed).toMatchObject({
    messageId: '<notice@mail.example>',
    inReplyTo: ['<0190@mail.example>'],
    references: ['<0190@mail.example>'],
    subject: 'Not delivered: grüße',
    from: [{ name: 'Mail delivery', address: 'MAILER-DAEMON@mail.example' }],
    to: [{ address: 'ada@mail.example' }],
    date: failed.date,
  })
  const headers = Object.fromEntries(parsed.headers)
  expect(headers['Auto-Submitted']).toBe('auto-replied')
  expect(headers['Content-Type']).toMatch(/^multipart\/report; report-type=delivery-status; boundary=/)
  expect(headers['Content-Transfer-Encoding']).toBeUndefined() // everything is ASCII
  expect(parsed.text).toBe(
    [
      'This mail could not be delivered:',
      '',
      '  Subject: grüße',
      '  Sent: Sat, 21 Nov 2026 10:00:00 +0000',
      '',
      'To bob@example.net:',
      '  mx1.example.net [192.0.2.1]:25 answered: 550 5.1.1 No such user',
      '  It will not be tried again. Check the address or correct the problem above, and send the mail again.',
      '',
      'This notice was sent by mx.mail.example. Replies to it are not read.',
    ].join('\n'),
  )
  expect(parts.map(({ contentType }) => contentType)).toEqual(['message/delivery-status', 'text/rfc822-headers'])
  expect(fields).toEqual([
    { 'Reporting-MTA': 'dns; mx.mail.example', 'Arrival-Date': 'Sat, 21 Nov 2026 10:00:00 +0000' },
    {
      'Original-Recipient': 'rfc822; bob@example.net',
      'Final-Recipient': 'rfc822; bob@example.net',
      Action: 'failed',
      Status: '5.1.1',
      'Remote-MTA': 'dns; mx1.example.net',
      'Diagnostic-Code': 'smtp; 550 5.1.1 No such user',
      'Last-Attempt-Date': 'Sat, 21 Nov 2026 10:05:00 +0000',
    },
  ])
  expect(parts[1]!.text).toBe(head.slice(0, head.indexOf('\r\n\r\n') + 2))
})

test('a delay notice says how long delivery is retried', async () => {
  const late = { ...bob, status: '4.2.2', code: 452, reply: 'full', willRetryUntil: new Date('2026-11-24T10:00:00Z') }
  const { parsed, fields } = await read(
    composeNotice({ ...failed, action: 'delayed', recipients: [{ ...late, attempts: 6 }] }),
  )
  expect(parsed.subject).toBe('Delayed: grüße')
  expect(parsed.text).toContain('This mail has not been delivered yet:')
  expect(parsed.text).toContain('answered: 452 full')
  expect(parsed.text).toContain('tried 6 times and will be tried until Tue, 24 Nov 2026 10:00:00 +0000')
  expect(fields[1]).toMatchObject({
    Action: 'delayed',
    Status: '4.2.2',
    'Will-Retry-Until': 'Tue, 24 Nov 2026 10:00:00 +0000',
  })
})

test('a notice for a message whose retries have ended has their duration and the last reply', async () => {
  const { parsed } = await read(withRecipient({ triedForMs: 3 * 86_400_000, attempts: 23, code: 451, reply: 'later' }))
  expect(parsed.text).toContain('It was tried 23 times in 3 days and is given up. The last time:')
  expect(parsed.text).toContain('answered: 451 later')
  expect(parsed.text).not.toContain('will not be tried again')
  for (const [ms, duration] of [
    [5 * 3_600_000, '5 hours'],
    [90 * 60_000, '90 minutes'],
    [10, 'a minute'],
  ] as const) {
    expect((await read(withRecipient({ triedForMs: ms }))).parsed.text).toContain(`in ${duration}`)
  }
})

test('without a reply from a server the reason is ours and is not labelled smtp', async () => {
  const { parsed, fields } = await read(
    withRecipient({ code: undefined, remote: undefined, reply: 'No route to example.net' }),
  )
  expect(parsed.text).toContain('  Reason: No route to example.net\n')
  expect(fields[1]).toMatchObject({ 'Diagnostic-Code': 'x-martlet; No route to example.net' })
  expect(fields[1]).not.toHaveProperty('Remote-MTA')

  const named = await read(withRecipient({ code: undefined, reply: 'timed out' }))
  expect(named.parsed.text).toContain('  Reason: timed out (mx1.example.net [192.0.2.1]:25)\n')
  const silent = await read(withRecipient({ code: undefined, reply: undefined }))
  expect(silent.parsed.text).toContain('Reason: no reason was given')
  expect(silent.fields[1]).not.toHaveProperty('Diagnostic-Code')
})

test('several recipients share one notice, each with its own group of fields', async () => {
  const { parsed, fields } = await read(
    composeNotice({ ...failed, recipients: [bob, { ...bob, address: 'cy@example.net', reply: 'blocked' }] }),
  )
  expect(fields.slice(1).map((group) => group['Final-Recipient'])).toEqual([
    'rfc822; bob@example.net',
    'rfc822; cy@example.net',
  ])
  expect(parsed.text).toMatch(/To bob@example.net:[\s\S]*To cy@example.net:/)
})

test('non-ASCII addresses and replies use the UTF-8 types', async () => {
  const raw = withRecipient({ address: 'jörg@example.net', reply: 'Postfach gibt es nicht: jörg' })
  expectWellFormed(raw)
  const { parsed, status, fields } = await read(raw)
  expect(status.contentType).toBe('message/global-delivery-status')
  expect(status.encoding).toBe('8bit')
  expect(fields[1]).toMatchObject({
    'Final-Recipient': 'utf-8; jörg@example.net',
    'Diagnostic-Code': 'smtp; 550 Postfach gibt es nicht: jörg',
  })
  expect(parsed.text).toContain('To jörg@example.net:')
  expect(Object.fromEntries(parsed.headers)['Content-Transfer-Encoding']).toBe('8bit')

  const original = { ...failed.original, head: Buffer.from('To: jörg@example.net\r\nSubject: x\r\n\r\n') }
  const { parts } = await read(composeNotice({ ...failed, original }))
  expect(parts[1]).toMatchObject({
    contentType: 'message/global-headers',
    encoding: '8bit',
    text: 'To: jörg@example.net\r\nSubject: x\r\n',
  })
})

describe('hostile text', () => {
  const { boundary } = failed
  const hostileTexts: [name: string, text: string][] = [
    ['fields', 'no\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; eve@example.net'],
    ['end', `no\r\n--${boundary}--\r\nInjected: yes`],
    ['part', `--${boundary}\r\nContent-Type: text/html\r\n\r\n<script>`],
    ['LF', 'no\nInjected: yes'],
    ['CR', 'no\rInjected: yes'],
    ['other line endings', 'no\u2028Injected: yes\u0085Injected: yes\0'],
    ['long', `${'x'.repeat(5_000)} ${'y '.repeat(5_000)}`],
    ['long, not ASCII', `${'ü'.repeat(5_000)}`],
    ['a split surrogate pair', `a${'😀'.repeat(600)}`], // an odd length splits one
    ['a lone surrogate', '\ud800 alone'],
    ['encoded', '=?utf-8?Q?=0D=0AInjected:_yes?='],
    ['right to left', '\u202egnihtyna'],
    ['blank', '   '],
  ]

  test.each(hostileTexts)('in a remote reply cannot end a field or a part: %s', async (_name, reply) => {
    for (const more of [{ reply }, { remote: reply }, { reply, code: undefined }]) {
      const raw = withRecipient(more)
      expectWellFormed(raw)
      const { parsed, parts, fields } = await read(raw)
      expect(parts.map(({ contentType }) => contentType.replace('global-', ''))).toEqual([
        'message/delivery-status',
        'text/rfc822-headers',
      ])
      expect(fields).toHaveLength(2)
      expect(fields[1]).toMatchObject({ Action: 'failed', 'Final-Recipient': 'rfc822; bob@example.net' })
      expect(fields[1]).not.toHaveProperty('Injected')
      expect(parsed.headers.map(([name]) => name)).not.toContain('Injected')
      expect(parsed.text!.split('\n').filter((line) => line.startsWith('Injected') || line.startsWith('--'))).toEqual(
        [],
      )
      expect(parsed.text).not.toMatch(/[\u202e\u0085\0\r]/)
      expect(raw.length).toBeLessThan(10_000)
    }
  })

  test.each(hostileTexts)('in a subject cannot become a field: %s', async (_name, subject) => {
    const original = {
      ...failed.original,
      head: Buffer.from(`Subject: ${subject.replace(/[\r\n]+/g, '\r\n ')}\r\n\r\n`),
    }
    const raw = composeNotice({ ...failed, original })
    expectWellFormed(raw)
    const { parsed } = await read(raw)
    expect(parsed.headers.map(([name]) => name)).not.toContain('Injected')
    expect(parsed.subject).toMatch(/^Not delivered/)
  })

  test('in a header field that does not fit in a line removes that field, and no other', async () => {
    const lines = [
      `X-Long: ${'x'.repeat(2_000)}`,
      'X-Nul: a\0b',
      'X-Bare: a\rInjected: yes',
      'X-Good: yes',
      'X-Cut: ab',
    ]
    const original = { ...failed.original, head: Buffer.from(lines.join('\r\n')) }
    const raw = composeNotice({ ...failed, original })
    expectWellFormed(raw)
    const { parts, parsed } = await read(raw)
    expect(parts[1]!.text).toBe('X-Nul: ab\r\nX-Bare: a Injected: yes\r\nX-Good: yes\r\n')
    expect(parsed).toMatchObject({ subject: 'Not delivered', inReplyTo: [] })
  })

  test('needs a header: without one, the notice has no part for it', async () => {
    const original = { ...failed.original, head: Buffer.alloc(0), messageId: '<known@mail.example>' }
    const { parts, parsed } = await read(composeNotice({ ...failed, original }))
    expect(parts).toHaveLength(1)
    expect(parsed).toMatchObject({ inReplyTo: ['<known@mail.example>'], references: ['<known@mail.example>'] })
    expect(parsed.text).toContain('Subject: (none)')
  })

  test('of any kind results in a notice, in bounded time', () => {
    const random = seededRandom(7)
    for (let round = 0; round < 200; round += 1) {
      const noise = () => random.bytes(random.below(400)).toString(random.pick(['latin1', 'utf8', 'utf16le']))
      const original = { ...failed.original, head: random.bytes(random.below(2_000)) }
      const recipients = [{ ...bob, reply: noise(), remote: noise() }]
      expectWellFormed(composeNotice({ ...failed, recipients, original }))
    }
    const flood = ' \r\n'.repeat(500_000)
    expectBounded(() => withRecipient({ reply: flood, remote: flood }))
    expectBounded(() => composeNotice({ ...failed, original: { ...failed.original, head: Buffer.from(flood) } }))
  })
})

// RFC 5322 §3.2.2: a folded line of only white space is obsolete, and ends the header for some readers.
test('no line consists only of white space, wherever a quoted address has spaces', () => {
  const domain = `${'label.'.repeat(15)}example.net`
  for (let length = 1; length < 60; length += 1) {
    const raw = withRecipient({ address: `"${'a'.repeat(length)}  b"@${domain}` })
    expect(raw.toString().split('\r\n')).not.toContain(' ')
    expect(raw.toString().replaceAll('\r\n ', ' ')).toContain(`rfc822; "${'a'.repeat(length)}  b"@${domain}`)
  }
})

test('a very long reply is cut', async () => {
  const { fields, parsed } = await read(withRecipient({ reply: `begin ${'y '.repeat(5_000)}` }))
  expect(fields[1]!['Diagnostic-Code']).toMatch(/^smtp; 550 begin y/)
  expect(fields[1]!['Diagnostic-Code']!.length).toBeLessThan(520)
  expect(parsed.text!.length).toBeLessThan(1_000)
})

test.each([
  ['permanent', '5.7.1', '5.7.1'],
  ['permanent', '4.2.2', '5.0.0'], // the class contradicts the failure, so the code is ignored
  ['permanent', undefined, '5.0.0'],
  ['permanent', '5.1.1\r\nAction: delivered', '5.0.0'],
  ['expired', '4.2.2', '4.2.2'],
  ['expired', '5.1.1', '4.4.7'],
  ['expired', undefined, '4.4.7'],
  ['delayed', '4.7.0', '4.7.0'],
  ['delayed', undefined, '4.0.0'],
] as const)('status of a %s failure with %j is %s', (what, enhanced, status) => {
  expect(noticeStatus(what, enhanced)).toBe(status)
})
