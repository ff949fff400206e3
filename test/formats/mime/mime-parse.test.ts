import { describe, expect, test } from 'vitest'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { decodePart } from '../../../src/formats/mime/transfer-encoding.ts'
import { htmlOnly, invitation, LIMITS, mail, nested, plain, report, signed } from '../sample-messages.ts'

const parse = (raw: Buffer) => parseMessage(raw, LIMITS)

describe('a nested message', () => {
  const parsed = parse(nested)

  test('its header fields are parsed', () => {
    expect(parsed).toMatchObject({
      messageId: '<1@example.com>',
      inReplyTo: ['<0@example.net>'],
      references: ['<-2@example.net>', '<-1@example.net>', '<0@example.net>'],
      subject: 'Grüße aus Köln',
      date: new Date('2024-01-01T10:00:00Z'),
      from: [{ name: 'Ann Müller', address: 'ann@example.com' }],
      to: [
        { name: 'Doe, John', address: 'john@example.net' },
        { address: 'a@example.org' },
        { address: 'b@example.org' },
      ],
      cc: [{ name: 'Carol', address: 'carol@example.net' }],
      bcc: [],
      replyTo: [],
      contentType: 'multipart/mixed',
      truncated: false,
    })
    expect(parsed.headers.map(([name]) => name)).toEqual([
      ...['Return-Path', 'Received', 'From', 'To', 'Cc', 'Subject', 'Date', 'Message-ID'],
      ...['In-Reply-To', 'References', 'MIME-Version', 'Content-Type'],
    ])
    expect(parsed.headers[1]![1]).toMatch(/^from mail\.example\.com .* by mx\.example\.net with ESMTPS/)
  })

  test('has text and HTML, decoded from their charsets', () => {
    expect(parsed.text).toBe('Grüße, siehe Bild – und Anhang.')
    expect(parsed.html).toBe('<p>Grüße <img src="cid:logo@example"></p>')
  })

  test('has attachments whose bytes are found by their offsets', () => {
    const [logo, pdf] = parsed.attachments
    expect(logo).toMatchObject({
      filename: 'logo.png',
      contentType: 'image/png',
      disposition: 'inline',
      contentId: 'logo@example',
      size: 8,
    })
    expect(pdf).toMatchObject({ filename: 'Übersicht 2024.pdf', disposition: 'attachment', size: 9 })
    expect(decodePart(nested, logo!)).toEqual(Buffer.from('89504e470d0a1a0a', 'hex'))
    expect(decodePart(nested, pdf!).toString()).toBe('%PDF-1.4\n')
    expect(nested.subarray(parsed.bodyOffset).toString()).toMatch(/^This is a multi-part message/)
  })
})

describe('bodies and attachments', () => {
  const summary = (raw: Buffer) => {
    const { text, html, attachments } = parse(raw)
    return { text, html, attachments: attachments.map((each) => each.filename ?? each.contentType) }
  }
  const mixed = (...parts: string[][]) =>
    mail('Content-Type: multipart/mixed; boundary=b', '', ...parts.flatMap((part) => ['--b', ...part]), '--b--')

  test.each<[string, Buffer, ReturnType<typeof summary>]>([
    ['a message without MIME', plain, { text: 'ok\nline 2', html: undefined, attachments: [] }],
    ['HTML only: no text', htmlOnly, { text: undefined, html: '<p>hello</p>', attachments: [] }],
    [
      'a bounce',
      report,
      {
        text: 'This is the mail system at host mx.example.net.',
        html: undefined,
        attachments: ['message/delivery-status', 'message/rfc822'],
      },
    ],
    [
      'a signed message with flowed text',
      signed,
      {
        text: '> quoted text that flows\na line that flows on\n-- \nAnn',
        html: undefined,
        attachments: ['signature.asc'],
      },
    ],
    ['an invitation', invitation, { text: 'Lunch?', html: '<p>Lunch?</p>', attachments: ['text/calendar'] }],
    ['several text parts', mixed(['', 'one'], ['', 'two']), { text: 'one\ntwo', html: undefined, attachments: [] }],
    [
      'attached text',
      mixed(['', 'one'], ['Content-Disposition: attachment', '', 'two']),
      { text: 'one', html: undefined, attachments: ['text/plain'] },
    ],
    [
      'an inline text file',
      mixed(['', 'one'], ['Content-Disposition: inline; filename=a.txt', '', 'two']),
      { text: 'one', html: undefined, attachments: ['a.txt'] },
    ],
    [
      'attached HTML',
      mixed(['', 'one'], ['Content-Type: text/html', 'Content-Disposition: attachment; filename=a.html', '', '<p>']),
      { text: 'one', html: undefined, attachments: ['a.html'] },
    ],
    [
      'only an attachment',
      mail('Content-Type: application/pdf', '', 'x'),
      { text: undefined, html: undefined, attachments: ['application/pdf'] },
    ],
    [
      'a multipart without a boundary',
      mail('Content-Type: multipart/mixed', '', 'all of it'),
      { text: 'all of it', html: undefined, attachments: [] },
    ],
    ['an empty message', Buffer.alloc(0), { text: '', html: undefined, attachments: [] }],
    [
      'alternatives of one type: the last is the body, the others are attachments',
      mail('Content-Type: multipart/alternative; boundary=b', '', '--b', '', 'one', '--b', '', 'two', '--b--'),
      { text: 'two', html: undefined, attachments: ['text/plain'] },
    ],
    [
      'text among related parts',
      mail(
        ...['Content-Type: multipart/related; boundary=b', '', '--b', 'Content-Type: text/html', '', '<p>'],
        ...['--b', 'Content-Type: text/plain', '', 'shown by the HTML', '--b--'],
      ),
      { text: undefined, html: '<p>', attachments: ['text/plain'] },
    ],
    [
      'related parts with a named root',
      mail(
        'Content-Type: multipart/related; boundary=b; start="<r@x>"',
        '',
        '--b',
        'Content-Type: image/gif',
        '',
        'G',
        '--b',
        'Content-ID: <r@x>',
        'Content-Type: text/html',
        '',
        '<p>',
        '--b--',
      ),
      { text: undefined, html: '<p>', attachments: ['image/gif'] },
    ],
  ])('%s', (_, raw, expected) => {
    expect(summary(raw)).toEqual(expected)
  })

  test('an image with a content id and no disposition is inline', () => {
    const raw = mixed(['Content-Type: image/png', 'Content-ID: <i@x>', '', 'x'], ['Content-Type: image/png', '', 'x'])
    expect(parse(raw).attachments.map((each) => each.disposition)).toEqual(['inline', 'attachment'])
  })
})

describe('text in its declared charset, or the detected one', () => {
  test.each([
    ['windows-1251', 'cff0e8e2e5f2', 'Привет'],
    ['gb18030', 'c4e3bac3', '你好'],
    ['iso-2022-jp', '1b2442243324731b2842', 'こん'],
    ['x-nonsense', 'c3bc', 'ü'],
    ['us-ascii', 'fc', 'ü'],
    ['utf-8', 'fc', 'ü'],
  ])('%s', (charset, hex, text) => {
    const raw = Buffer.concat([mail(`Content-Type: text/plain; charset="${charset}"`, '', ''), Buffer.from(hex, 'hex')])
    expect(parse(raw).text).toBe(text)
  })

  test('raw bytes in a subject are UTF-8 or windows-1252', () => {
    expect(parse(Buffer.from('Subject: grüße\n\n')).subject).toBe('grüße')
    expect(parse(Buffer.from('Subject: gr\xfc\xdfe\n\n', 'latin1')).subject).toBe('grüße')
  })

  test('NULs are removed everywhere', () => {
    const { subject, text, from } = parse(Buffer.from('Subject: a\0b\nFrom: A\0nn <a\0@b.c>\n\nc\0d'))
    expect({ subject, text, from }).toEqual({ subject: 'ab', text: 'cd', from: [{ name: 'Ann', address: 'a@b.c' }] })
  })
})

describe('ids', () => {
  test.each([
    ['<a@b>', '<a@b>'],
    [' (x) <a@b> <c@d>', '<a@b>'],
    ['a@b', '<a@b>'],
    ['<a b@c>', '<ab@c>'],
    ['<nothing>', '<nothing>'],
    ['=?utf-8?q?=3Ca?=\r\n =?utf-8?q?=40b=3E?=', '<a@b>'],
    ['nothing', undefined],
    ['<>', undefined],
    [`<${'a'.repeat(2000)}@b>`, undefined],
  ])('Message-ID %j is %j', (value, id) => {
    expect(parse(mail(`Message-ID: ${value}`, '', '')).messageId).toBe(id)
  })

  test('the last hundred references are kept, without duplicates', () => {
    const ids = Array.from({ length: 300 }, (_, i) => `<${i}@x>`)
    expect(parse(mail(`References: ${ids.join(' ')} ${ids.join(' ')}`, '', '')).references).toEqual(ids.slice(-100))
  })
})

test('of two From fields, the first is used', () => {
  expect(parse(mail('From: ann@example.com', 'From: eve@example.com', '', '')).from).toEqual([
    { address: 'ann@example.com' },
  ])
})

test('of the addresses of all fields together, a thousand are kept', () => {
  const list = (count: number) => Array.from({ length: count }, (_, i) => `a${i}@example.com`).join(',')
  const fields = ['Cc', 'To', 'Reply-To', 'Sender', 'From'].map((name) => `${name}: ${list(400)}`)
  const { from, sender, replyTo, to, cc } = parse(mail(...fields, '', ''))
  expect([from, replyTo, to, cc].map(({ length }) => length)).toEqual([400, 400, 199, 0])
  expect(sender).toEqual({ address: 'a0@example.com' })
})

test('a thousand header fields are kept, and more are reported as truncated', () => {
  const { headers, truncated } = parse(Buffer.from('X-A: b\n'.repeat(5000)))
  expect({ count: headers.length, truncated }).toEqual({ count: 1000, truncated: true })
})
