/** The structure is correct if the bytes at each part's offsets are those that the sender wrote for the part. */
import { describe, expect, test } from 'vitest'
import { type MimePart, scanStructure } from '../../../src/formats/mime/mime-structure.ts'
import { expectBounded } from '../bounded.ts'
import { LIMITS, mail, nested, report } from '../sample-messages.ts'

/** Returns `type "body"` for leaves and `type [children]` for multiparts. */
function outline(raw: Buffer, part: MimePart): string {
  if (part.children.length > 0)
    return `${part.contentType} [${part.children.map((child) => outline(raw, child)).join(', ')}]`
  return `${part.contentType} ${JSON.stringify(raw.toString('latin1', part.bodyStart, part.bodyEnd))}`
}

const scan = (raw: Buffer, limits = LIMITS) => {
  const { root, truncated } = scanStructure(raw, limits)
  return { root, truncated, outline: outline(raw, root) }
}

describe('the structure scanner', () => {
  test('finds every part of a nested message with its exact bytes', () => {
    const { root, truncated } = scan(nested)
    expect(truncated).toBe(false)
    const [related, pdf] = root.children
    const [alternative, logo] = related!.children
    expect(alternative!.children.map((part) => part.contentType)).toEqual(['text/plain', 'text/html'])
    expect(nested.toString('latin1', logo!.bodyStart, logo!.bodyEnd)).toBe('iVBORw0KGgo=')
    expect(logo).toMatchObject({
      contentId: 'logo@example',
      disposition: 'inline',
      filename: 'logo.png',
      encoding: 'base64',
    })
    expect(pdf).toMatchObject({
      contentType: 'application/pdf',
      disposition: 'attachment',
      filename: 'Übersicht 2024.pdf',
    })
    expect(nested.toString('latin1', pdf!.headerStart, pdf!.headerEnd)).toMatch(
      /^Content-Type: application\/pdf\r\n[\s\S]*pdf\r\n$/,
    )
  })

  test('keeps the message returned in a bounce as one leaf', () => {
    expect(scan(report).root.children.map((part) => part.contentType)).toEqual([
      'text/plain',
      'message/delivery-status',
      'message/rfc822',
    ])
  })

  const multipart = (...body: string[]) => mail('Content-Type: multipart/mixed; boundary=b', '', ...body)

  test.each<[string, Buffer, string]>([
    ['an empty message', Buffer.alloc(0), 'text/plain ""'],
    ['a line break', Buffer.from('\r\n'), 'text/plain ""'],
    ['a body without header', Buffer.from('hello there\nbye'), 'text/plain "hello there\\nbye"'],
    ['a header without body', Buffer.from('Subject: x'), 'text/plain ""'],
    ['a header without blank line', Buffer.from('Subject: x\nhello there'), 'text/plain "hello there"'],
    ['an mbox line at the top', Buffer.from('From ann Mon Jan 1\nSubject: x\n\nhi'), 'text/plain "hi"'],
    [
      'LF line endings',
      Buffer.from('Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n'),
      'multipart/mixed [text/plain "one", text/plain "two"]',
    ],
    [
      'CRLF line endings',
      multipart('--b', '', 'one', '--b', '', 'two', '--b--'),
      'multipart/mixed [text/plain "one", text/plain "two"]',
    ],
    [
      'no end boundary',
      multipart('--b', '', 'one', '--b', '', 'two'),
      'multipart/mixed [text/plain "one", text/plain "two"]',
    ],
    [
      'a part without a blank line',
      multipart('--b', 'Content-Type: text/html', '--b', '', 'two', '--b--'),
      'multipart/mixed [text/html "", text/plain "two"]',
    ],
    [
      'a part without a blank line before a boundary that looks like a field',
      mail('Content-Type: multipart/mixed; boundary="b:1"', '', '--b:1', 'X-A: b', '--b:1', '', 'two', '--b:1--'),
      'multipart/mixed [text/plain "", text/plain "two"]',
    ],
    ['an empty part', multipart('--b', '--b', '--b--'), 'multipart/mixed [text/plain "", text/plain ""]'],
    [
      'padding after the boundary',
      multipart('--b \t', '', 'one', '--b--  ', 'epilogue'),
      'multipart/mixed [text/plain "one"]',
    ],
    [
      'a preamble and an epilogue',
      multipart('pre', '--b', '', 'one', '--b--', 'epi', '--b', '', 'more'),
      'multipart/mixed [text/plain "one"]',
    ],
    [
      'lines that resemble boundaries',
      multipart('--b', '', '--bc', ' --b', '--', '---b', '--b--'),
      'multipart/mixed [text/plain "--bc\\r\\n --b\\r\\n--\\r\\n---b"]',
    ],
    ['a boundary that never occurs', multipart('hello'), 'multipart/mixed "hello"'],
    ['no boundary parameter', mail('Content-Type: multipart/mixed', '', 'hello'), 'multipart/mixed "hello"'],
    [
      'a boundary that ends in hyphens',
      mail('Content-Type: multipart/mixed; boundary="b--"', '', '--b--', '', 'one', '--b----'),
      'multipart/mixed [text/plain "one"]',
    ],
    [
      'a UTF-8 boundary',
      mail('Content-Type: multipart/mixed; boundary="bü"', '', '--bü', '', 'one', '--bü--'),
      'multipart/mixed [text/plain "one"]',
    ],
    [
      'a digest',
      mail('Content-Type: multipart/digest; boundary=b', '', '--b', '', 'Subject: one', '--b--'),
      'multipart/digest [message/rfc822 "Subject: one"]',
    ],
    [
      'an inner multipart that never ends',
      multipart(
        '--b',
        'Content-Type: multipart/alternative; boundary=i',
        '',
        '--i',
        '',
        'one',
        '--b',
        '',
        'two',
        '--b--',
      ),
      'multipart/mixed [multipart/alternative [text/plain "one"], text/plain "two"]',
    ],
    [
      'the same boundary inside and outside',
      multipart(
        '--b',
        'Content-Type: multipart/alternative; boundary=b',
        '',
        '--b',
        '',
        'one',
        '--b--',
        '--b',
        '',
        'two',
        '--b--',
      ),
      'multipart/mixed [multipart/alternative [text/plain "one"], text/plain "two"]',
    ],
    ['a malformed type', mail('Content-Type: text', '', 'x'), 'text/plain "x"'],
    ['NULs', Buffer.from('Content-Type: text/html\0\r\n\r\na\0b'), 'text/html "a\\u0000b"'],
  ])('handles %s', (_, raw, expected) => {
    expect(scan(raw).outline).toBe(expected)
  })

  test('ignores types, ids and encodings that are longer than any standard allows', () => {
    const long = (chars: number) => 'x'.repeat(chars)
    const part = (type: string, id: string, encoding: string) =>
      scan(mail(`Content-Type: ${type}`, `Content-ID: <${id}>`, `Content-Transfer-Encoding: ${encoding}`, '', '')).root
    expect(part(`a/${long(253)}`, long(998), long(64))).toMatchObject({
      ...{ contentType: `a/${long(253)}`, contentId: long(998), encoding: long(64) },
    })
    const { contentType, contentId, encoding } = part(`a/${long(254)}`, long(999), long(65))
    expect({ contentType, contentId, encoding }).toEqual({ contentType: 'text/plain', encoding: '7bit' })
  })

  test('reduces a file name with folders to its last part', () => {
    for (const name of ['../../etc/passwd', 'C:\\\\Users\\\\ann\\\\passwd', '/etc/passwd'])
      expect(scan(mail(`Content-Disposition: attachment; filename="${name}"`, '', '')).root.filename).toBe('passwd')
  })
})

describe('at a limit the structure ends and is marked as truncated:', () => {
  test('10,000 nested multiparts', () => {
    const levels = Array.from(
      { length: 10_000 },
      (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
    )
    const raw = Buffer.from(`Content-Type: multipart/mixed; boundary=b0\r\n\r\n${levels.join('')}`)
    const { root, truncated } = scan(raw)
    let depth = 0
    for (let part: MimePart | undefined = root; part !== undefined; part = part.children[0]) depth++
    expect({ depth, truncated }).toEqual({ depth: LIMITS.depthMax + 1, truncated: true })
  })

  test('100,000 parts', () => {
    const raw = mail('Content-Type: multipart/mixed; boundary=b', '', `${'--b\r\n\r\nx\r\n'.repeat(100_000)}--b--`)
    const { root, truncated } = scan(raw)
    expect({ parts: root.children.length + 1, truncated }).toEqual({ parts: LIMITS.partsMax, truncated: true })
  })

  test('a header line of a megabyte, after which the body is still found', () => {
    const raw = mail('Subject: before', `X-Long: ${'x'.repeat(1_000_000)}`, 'Subject: after', '', 'body')
    const { root, truncated } = scan(raw)
    expect(truncated).toBe(true)
    expect(root.fields.map((field) => field.name)).toEqual(['Subject', 'X-Long'])
    expect(root.fields.at(-1)!.end).toBeLessThanOrEqual(LIMITS.headerBytesMax)
    expect(raw.toString('latin1', root.bodyStart)).toBe('body')
  })

  test('a million tiny header fields', () => {
    const { root, truncated } = scan(Buffer.from('a:\n'.repeat(1_000_000)))
    expect(truncated).toBe(true)
    expect(root.fields.length).toBeLessThanOrEqual(LIMITS.headerFieldsMax)
  })

  test('header fields of all parts together; the continuation of a field that is left out is left out too', () => {
    const parts = ['--b', 'X-A: 1', ' 2', 'X-B: 1', ' 2', 'Content-Type: text/html', '', 'two', '--b--']
    const raw = mail('Content-Type: multipart/mixed; boundary=b', 'X-C: 1', '', ...parts)
    const { root, truncated, outline } = scan(raw, { ...LIMITS, headerFieldsMax: 3 })
    expect({ truncated, outline }).toEqual({ truncated: true, outline: 'multipart/mixed [text/plain "two"]' })
    const [field, ...others] = root.children[0]!.fields
    expect(others).toEqual([])
    expect(raw.toString('latin1', field!.start, field!.end)).toBe('X-A: 1\r\n 2\r\n')
  })

  test('a field name that is longer than the header limit', () => {
    const { root, truncated } = scan(mail(`${'x'.repeat(LIMITS.headerBytesMax)}: 1`, 'Subject: after', '', 'body'))
    expect({ truncated, fields: root.fields }).toEqual({ truncated: true, fields: [] })
  })
})

describe('time stays bounded for 4 MB of', () => {
  const boundaries = Array.from(
    { length: 19 },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  ).join('')
  test.each(['\n--', '\n--b18', '\r\n--b0x\r\n', '--', '-', ' ', '\n', '\r', 'a:\n b\n', '\n--b18\n', '\n--b3--'])(
    '%j',
    (piece) => {
      const raw = Buffer.from(boundaries + piece.repeat(4_000_000 / piece.length))
      expectBounded(() => {
        scanStructure(raw, { ...LIMITS, depthMax: 50, partsMax: 1000, headerBytesMax: 65_536 })
      })
    },
  )
})
