import { describe, expect, test } from 'vitest'
import { type ComposeInput, composeMessage, mimeTree } from '../../../src/formats/mime/mime-compose.ts'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { isForbiddenHeader } from '../../../src/formats/mime/protected-headers.ts'
import { decodePart } from '../../../src/formats/mime/transfer-encoding.ts'
import { seededRandom } from '../random.ts'
import { LIMITS, nested } from '../sample-messages.ts'

const minimal: ComposeInput = {
  messageId: '<0190@example.com>',
  date: new Date('2024-01-01T10:00:00Z'),
  boundary: '0123456789abcdef',
  from: { name: 'Ann Müller', address: 'ann@example.com' },
  to: [{ address: 'bob@example.net' }],
}
const png = Buffer.from('89504e470d0a1a0a', 'hex')
const compose = (more: Partial<ComposeInput>) => composeMessage({ ...minimal, ...more })
/** What nodemailer itself writes. */
const written = (more: Partial<ComposeInput>) => mimeTree({ ...minimal, ...more }).build()
const roundTrip = async (more: Partial<ComposeInput>) => {
  const raw = await compose(more)
  return { raw, parsed: parseMessage(raw, LIMITS) }
}

/** Expects what must be true of every composed message, whatever its input. */
function expectSendable(raw: Buffer): void {
  const text = raw.toString('latin1')
  const lines = text.split('\r\n')
  expect(lines.filter((line) => /[\r\n]/.test(line))).toEqual([]) // CRLF and nothing else
  expect(lines.filter((line) => /[\x80-\xff\0]/.test(line))).toEqual([]) // 7-bit
  expect(lines.filter((line) => line.length > 998)).toEqual([])
}

test('a message with all fields is parsed to the same values', async () => {
  const { raw, parsed } = await roundTrip({
    cc: [{ name: 'Doe, "John"', address: 'john@example.net' }, { address: 'c@bücher.example' }],
    replyTo: [{ address: 'replies@example.com' }],
    subject: 'Grüße aus Köln 😀',
    text: 'Hällo\nworld',
    html: '<p>Hällo <img src="cid:logo"></p>',
    inReplyTo: '<parent@example.net>',
    references: ['<root@example.net>', '<parent@example.net>'],
    attachments: [
      { filename: 'logo.png', contentType: 'image/png', disposition: 'inline', contentId: 'logo', bytes: png },
      { filename: 'Übersicht 2024.pdf', contentType: 'application/pdf', bytes: Buffer.from('%PDF') },
    ],
    headers: [
      ['X-Campaign', 'Frühling'],
      ['List-Unsubscribe', '<https://example.com/u>'],
      ['Auto-Submitted', 'auto-replied'],
    ],
  })
  expectSendable(raw)
  expect(parsed).toMatchObject({
    messageId: '<0190@example.com>',
    inReplyTo: ['<parent@example.net>'],
    references: ['<root@example.net>', '<parent@example.net>'],
    date: minimal.date,
    from: [minimal.from],
    to: [{ address: 'bob@example.net' }],
    cc: [{ name: 'Doe, "John"', address: 'john@example.net' }, { address: 'c@xn--bcher-kva.example' }],
    replyTo: [{ address: 'replies@example.com' }],
    subject: 'Grüße aus Köln 😀',
    text: 'Hällo\nworld',
    html: '<p>Hällo <img src="cid:logo"></p>',
  })
  expect(parsed.headers).toEqual(
    expect.arrayContaining([
      ['X-Campaign', 'Frühling'],
      ['List-Unsubscribe', '<https://example.com/u>'],
      ['Auto-Submitted', 'auto-replied'],
    ]),
  )
  const [logo, pdf] = parsed.attachments
  expect(logo).toMatchObject({ contentId: 'logo', disposition: 'inline', filename: 'logo.png' })
  expect(pdf).toMatchObject({
    disposition: 'attachment',
    filename: 'Übersicht 2024.pdf',
    contentType: 'application/pdf',
  })
  expect(decodePart(raw, logo!)).toEqual(png)
  expect(raw.toString()).toMatch(/multipart\/mixed[\s\S]*multipart\/(alternative|related)/)
})

test('the same input gives the same bytes', async () => {
  const more = { text: 'a', html: '<p>a</p>', attachments: [{ filename: 'x', bytes: png }] }
  expect(await compose(more)).toEqual(await compose(more))
})

test.each<[string, Partial<ComposeInput>]>([
  ['nothing', {}],
  ['text', { text: 'a' }],
  ['HTML', { html: '<p>a</p>' }],
  ['an attachment', { attachments: [{ bytes: png }] }],
  ['an empty attachment', { text: 'a', attachments: [{ filename: 'empty', bytes: Buffer.alloc(0) }] }],
  ['no recipient in the header', { to: [] }],
  ['an empty subject', { subject: '' }],
  ['a line of 100,000 characters', { text: 'x'.repeat(100_000), html: 'y'.repeat(100_000) }],
  ['a subject of 10,000 characters without a space', { subject: 'x'.repeat(10_000) }],
  [
    'a header of 10,000 characters without a space',
    {
      headers: [
        ['X-Long', 'é'.repeat(5000)],
        ['X-Ascii', 'x'.repeat(10_000)],
      ],
    },
  ],
  ['a name of 10,000 characters', { from: { name: 'x'.repeat(10_000), address: 'ann@example.com' } }],
  ['a thousand references', { references: Array.from({ length: 1000 }, (_, i) => `<${i}@example.com>`) }],
  ['mixed line endings and NULs', { text: 'a\r\nb\rc\nd\0e', html: 'a\r\nb\rc\nd\0e' }],
  ['dots and From', { text: '.\n..\nFrom x\n--0123456789abcdef\n' }],
  ['lone surrogates', { subject: 'a\ud800b', text: '\udc00' }],
  [
    'an attached message',
    {
      attachments: [
        { contentType: 'message/rfc822', bytes: Buffer.from(nested.toString('latin1').replaceAll('\r', '')) },
      ],
    },
  ],
  [
    'an attached 8-bit message',
    { attachments: [{ contentType: 'message/rfc822', bytes: Buffer.from('Subject: ü\r\n\r\nü') }] },
  ],
  // 7bit would sign the CR, and the receiver gets a line break instead.
  ...['Subject: a\r\r\n\r\r\nb\r\r\n', 'Subject: a\r\n\r\nb\rc\r\n', 'Subject: a\r\n\r\nb\r'].map(
    (attached): [string, Partial<ComposeInput>] => [
      `an attached message with a CR without LF: ${JSON.stringify(attached)}`,
      { attachments: [{ contentType: 'message/rfc822', bytes: Buffer.from(attached) }] },
    ],
  ),
  [
    'an attached multipart',
    { text: 'a', attachments: [{ contentType: 'multipart/mixed; boundary=x', bytes: Buffer.from('--x') }] },
  ],
])('with %s a message can be sent', async (_, more) => {
  const { raw, parsed } = await roundTrip(more)
  expectSendable(raw)
  expect(raw.equals(await written(more)), raw.toString()).toBe(true)
  expect(parsed.from).toHaveLength(1)
  expect(parsed.attachments).toHaveLength(more.attachments?.length ?? 0)
  for (const [index, sent] of (more.attachments ?? []).entries())
    expect(decodePart(raw, parsed.attachments[index]!).toString('latin1').replaceAll('\r', '')).toBe(
      sent.bytes.toString('latin1').replaceAll('\r', ''),
    )
})

test('a long word in a header keeps its text', async () => {
  const { parsed } = await roundTrip({ headers: [['X-Long', `${'é'.repeat(2000)} end`]] })
  expect(parsed.headers.find(([name]) => name === 'X-Long')?.[1]).toBe(`${'é'.repeat(2000)} end`)
})

test('an address with a UTF-8 local part is written without encoding', async () => {
  const { parsed } = await roundTrip({ to: [{ name: '用户', address: '用户@example.com' }] })
  expect(parsed.to).toEqual([{ name: '用户', address: '用户@example.com' }])
})

describe('injection', () => {
  const evil = 'x\r\nBcc: eve@example.org\r\n\r\nbody'
  test.each<[string, Partial<ComposeInput>]>([
    ['subject', { subject: evil }],
    ['sender name', { from: { name: evil, address: 'ann@example.com' } }],
    ['address', { to: [{ address: `b@example.net>${evil}` }] }],
    ['list of addresses in one', { to: [{ address: 'b@example.net, eve@example.org' }] }],
    ['name with an address', { to: [{ name: 'x <eve@example.org>, y', address: 'b@example.net' }] }],
    ['message id', { messageId: `<a@b>${evil}` }],
    ['in-reply-to', { inReplyTo: evil }],
    ['references', { references: [evil] }],
    ['header value', { headers: [['X-A', evil]] }],
    ['header name', { headers: [['X-A: b\r\nBcc', 'eve@example.org']] }],
    [
      'forbidden header',
      {
        headers: [
          ['bcc', 'eve@example.org'],
          ['From', 'eve@example.org'],
          ['Content-Type', 'text/evil'],
        ],
      },
    ],
    ['file name', { attachments: [{ filename: evil, bytes: png }] }],
    ['content type', { attachments: [{ contentType: `text/plain${evil}`, bytes: png }] }],
    ['content id', { html: 'x', attachments: [{ contentId: evil, bytes: png }] }],
    ['boundary', { boundary: 'b"\r\nBcc: eve', text: 'a', html: 'a' }],
  ])('through the %s adds no field, part or recipient', async (_, more) => {
    const { raw, parsed } = await roundTrip(more)
    expectSendable(raw)
    const names = parsed.headers.map(([name]) => name.toLowerCase())
    expect(names.filter((name) => name === 'bcc')).toEqual([])
    expect(names.filter((name) => name === 'from')).toEqual(['from'])
    expect(parsed.from.map((each) => each.address)).toEqual(['ann@example.com'])
    expect(parsed.to).toHaveLength(1)
    expect(parsed.attachments).toHaveLength(more.attachments?.length ?? 0)
  })

  test('cannot read from disk or the network', async () => {
    const path = { path: '/etc/passwd', href: 'http://127.0.0.1/', bytes: Buffer.from('real') }
    const raw = await compose({ attachments: [path as never], text: { path: '/etc/passwd' } as never }).catch(
      (error: Error) => error.message,
    )
    expect(String(raw)).not.toContain('root:')
  })
})

test.each([
  ['short lines', 'one\r\ntwo\r\n'],
  ['a long line', 'The quick brown fox jumps over the lazy dog, '.repeat(40).trim()],
  ['long lines', 'The quick brown fox jumps over the lazy dog while the mail server signs what it says.\n'.repeat(50)],
  ['spaces and tabs before line ends', 'a \nb\t\n   \nc'.repeat(30)],
  ['letters with accents', 'Grüße aus Köln,'.repeat(40)],
  ['another script', '验证码是 123456。'.repeat(40)],
  ['signs of equality', '=3D=\n=20='.repeat(40)],
])('a text with %s is written as nodemailer writes it', async (_, text) => {
  for (const more of [{ text }, { text, html: `<p>${text}</p>` }]) {
    expect((await compose(more)).equals(await written(more)), JSON.stringify(more)).toBe(true)
  }
})

test('random fields always give a sendable message with one sender', async () => {
  const random = seededRandom(7)
  const alphabet = [...'aé😀 \t\r\n\0<>",;:=?()@\\\u2028.-', '=?utf-8?q?=0d?=', '\ud800', 'x'.repeat(1200)]
  const text = () => Array.from({ length: random.below(12) }, () => random.pick(alphabet)).join('')
  for (let i = 0; i < 300; i++) {
    const more: Partial<ComposeInput> = {
      from: { name: text(), address: 'ann@example.com' },
      subject: text(),
      text: text(),
      html: text(),
      headers: [
        [`X-${text()}`, text()],
        ['X-B', text()],
      ],
      attachments: [{ filename: text(), contentType: text(), contentId: text(), bytes: Buffer.from(text()) }],
    }
    const { raw, parsed } = await roundTrip(more)
    expectSendable(raw)
    if (i % 10 === 0) expect(raw.equals(await written(more)), JSON.stringify(more)).toBe(true)
    expect(
      parsed.from.map((each) => each.address),
      JSON.stringify(more),
    ).toEqual(['ann@example.com'])
  }
})

test.each([
  ['From', true],
  ['SENDER', true],
  ['bcc', true],
  ['Content-Language', true],
  ['ARC-Seal', true],
  ['Received', true],
  ['Resent-From', true],
  ['In-Reply-To', true],
  ['X Y', true],
  ['', true],
  ['X:', true],
  ['Ünicode', true],
  ['x'.repeat(77), true],
  ['X-From', false],
  ['List-Unsubscribe', false],
  ['Auto-Submitted', false],
  ['Importance', false],
])('whether %j is a forbidden header field for clients: %j', (name, forbidden) => {
  expect(isForbiddenHeader(name)).toBe(forbidden)
})

test.each([
  ['base64', 'application/pdf'],
  ['7bit', 'message/rfc822'],
])(
  'a large attachment is encoded in several turns of the event loop, to the same bytes (%s)',
  async (_, contentType) => {
    const lines = Buffer.from(`Subject: x\n\n${'line of text\r\n'.repeat(400_000)}`)
    const bytes = contentType === 'message/rfc822' ? lines : Buffer.concat([png, lines.subarray(0, -1)])
    const input = { ...minimal, text: 'x', attachments: [{ contentType, bytes }, { bytes: png }] }
    let turns = 0
    const nextTurn = async () => {
      turns += 1
    }
    const composed = await composeMessage(input, nextTurn)
    expect(turns).toBeGreaterThan(4)
    expect(composed.equals(await composeMessage(input))).toBe(true)
  },
)
