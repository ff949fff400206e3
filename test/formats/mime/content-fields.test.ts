/** Content-Type and Content-Transfer-Encoding as damaged as they arrive, and the bodies that they describe. */
import { describe, expect, test } from 'vitest'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { LIMITS as SAMPLE_LIMITS } from '../sample-messages.ts'

const LIMITS = { ...SAMPLE_LIMITS, depthMax: 50, partsMax: 1_000 }

function parse(header: readonly string[], body: string) {
  const { text, html, attachments } = parseMessage(Buffer.from([...header, '', body].join('\n')), LIMITS)
  return { text, html, files: attachments.map(({ filename, contentType }) => filename ?? contentType) }
}

describe('a message with the type', () => {
  test.each([
    'text/html charset=utf-8',
    'text/html, charset=utf-8',
    'text/html; text/html; charset=utf-8',
    'Content-Type: text/html; charset=utf-8',
    '"text/html"; charset="utf-8"',
    'text / html ; charset = utf-8',
    "text/html;; charset='utf-8'",
    'text/html; charset=utf-8 format=flowed',
    'text/html charset="utf-8" name="a b.html"',
    'text/html;charset="utf-8',
  ])('%s is HTML', (type) => {
    expect(parse([`Content-Type: ${type}`], '<p>Grüße</p>')).toMatchObject({ html: '<p>Grüße</p>', text: undefined })
  })

  test.each(['html', 'text', 'text/', '/html', '', 'a'.repeat(300), `${'a'.repeat(200)}/html x=y`])(
    '%j is text',
    (type) => {
      expect(parse([`Content-Type: ${type}`], 'Grüße')).toMatchObject({ text: 'Grüße', html: undefined })
    },
  )
})

describe('a multipart', () => {
  const body = (boundary: string) =>
    [
      ...['preamble', `--${boundary}`, 'Content-Type: text/plain', '', 'plain'],
      ...[`--${boundary}`, 'Content-Type: text/html', '', '<b>html</b>', `--${boundary}--`],
    ].join('\n')
  const both = { text: 'plain', html: '<b>html</b>', files: [] }

  test.each([
    ['no semicolon', ['Content-Type: multipart/alternative boundary=part']],
    ['a comma', ['Content-Type: multipart/alternative, boundary="part"']],
    ['words after the boundary', ['Content-Type: multipart/alternative; boundary=part charset=utf-8']],
    ['no boundary', ['Content-Type: multipart/alternative']],
    ['a wrong boundary', ['Content-Type: multipart/alternative; boundary=other']],
    ['an empty boundary', ['Content-Type: multipart/alternative; boundary=""']],
    ['a second type with the right boundary', ['other', 'part'].map(typeWith)],
    ['a second type with a wrong boundary', ['part', 'other'].map(typeWith)],
    ['text as its first type', ['Content-Type: text/plain', typeWith('part')]],
    ['no subtype', ['Content-Type: multipart; boundary=part']],
    ['an unreadable first type', ['Content-Type: nonsense', typeWith('part')]],
  ])('with %s is divided into its parts', (_, header) => {
    expect(parse(header, body('part'))).toEqual(both)
  })

  test('with spaces in its boundary is divided, with and without quotes', () => {
    for (const boundary of ['=_Next Part 1', '"=_Next Part 1"'])
      expect(parse([`Content-Type: multipart/alternative; boundary=${boundary}`], body('=_Next Part 1'))).toEqual(both)
  })

  test('without a boundary does not take that of the multipart around it', () => {
    const parts = ['one', 'two'].flatMap((text) => [
      ...['--out', 'Content-Type: multipart/alternative', '', ''],
      ...['--out', 'Content-Type: text/plain', '', text],
    ])
    const { text } = parse(['Content-Type: multipart/mixed; boundary=out'], [...parts, '--out--'].join('\n'))
    expect(text).toContain('one')
    expect(text).toContain('two')
  })

  test('is still divided after a thousand parts whose boundaries do not occur', () => {
    const nested = Array.from(
      { length: 900 },
      (_, i) => `--out\nContent-Type: multipart/mixed; boundary=no${i}\n\n${'x'.repeat(2_000)}`,
    )
    const last = ['--out', 'Content-Type: text/html', '', '<p>last</p>', '--out--']
    const { html } = parse(['Content-Type: multipart/mixed; boundary=out'], [...nested, ...last].join('\n'))
    expect(html).toBe('<p>last</p>')
  })

  test('below a long preamble is found, whatever the preamble looks like', () => {
    const preamble = `--fake\nContent-Type: text/plain\n\nnot shown\n--fake--\n${'x'.repeat(70_000)}\n`
    expect(parse([typeWith('part')], preamble + body('part'))).toEqual(both)
    expect(parse([typeWith('none')], preamble)).toMatchObject({ text: 'not shown' })
  })

  test('whose lines only look like delimiters is text', () => {
    const diff = '--- a/file\n+++ b/file\n-- \nsignature'
    expect(parse(['Content-Type: multipart/mixed'], diff)).toMatchObject({ text: diff })
  })

  function typeWith(boundary: string): string {
    return `Content-Type: multipart/alternative; boundary="${boundary}"`
  }
})

describe('an encoding', () => {
  const text = 'Grüße aus Köln'
  const encoded = Buffer.from(text).toString('base64')

  test.each([
    'base64 via gateway',
    '"base64"',
    "'base64'",
    'BASE64;',
    'base64 (comment)',
    'base-64',
    'base 64',
    'x-base64',
    '8bit, base64',
    '7bit\nContent-Transfer-Encoding: base64',
  ])('%s is base64', (encoding) => {
    expect(parse([`Content-Transfer-Encoding: ${encoding}`], encoded)).toMatchObject({ text })
  })

  test.each([
    'quoted_printable',
    'Quoted-Printable charset=utf-8',
    'quotedprintable',
    'quoted printable',
    'quoted/printable',
    'Quoted-Printable.',
    '8bit quoted-printable',
  ])('%s is quoted-printable', (encoding) => {
    expect(parse([`Content-Transfer-Encoding: ${encoding}`], 'Gr=C3=BC=C3=9Fe aus K=C3=B6ln')).toMatchObject({ text })
  })

  test.each(['8-bit', '8bits', 'none', 'utf-8', ''])('%j changes nothing', (encoding) => {
    expect(parse([`Content-Transfer-Encoding: ${encoding}`], text)).toMatchObject({ text })
  })
})

test.each(['Dobrý den, posílám fakturu.', 'Please find it attached\nBye', '\n\n- one\n- two'])(
  '%j is not decoded, although its encoding is base64',
  (body) => {
    expect(parse(['Content-Transfer-Encoding: base64'], body)).toMatchObject({ text: body })
  },
)

test('text of an unknown subtype is the body, and a file that keeps its type', () => {
  const markdown = { text: '# Hello', html: undefined, files: ['text/markdown'] }
  expect(parse(['Content-Type: text/markdown'], '# Hello')).toEqual(markdown)
  const attached = ['Content-Type: text/markdown', 'Content-Disposition: attachment']
  expect(parse(attached, '# Hello')).toEqual({ ...markdown, text: undefined })
})

describe('a file with the disposition', () => {
  test.each([
    'attachment, filename="abc.pdf"',
    'attachment filename="abc.pdf"',
    'attachment; filename: "abc.pdf"',
    'attachment filename: abc.pdf',
    'filename="abc.pdf"',
    'filename=abc.pdf',
    "attachment, filename*=utf-8''abc.pdf",
    'attachment; filename="C:\\Users\\Ann\\abc.pdf"',
    'attachment; filename="\\\\server\\abc.pdf"',
    'attachment; filename="\u202eab\u2066c.pdf"',
  ])('%s is an attachment with the name abc.pdf', (disposition) => {
    const header = ['Content-Type: application/pdf', `Content-Disposition: ${disposition}`]
    const [file] = parseMessage(Buffer.from([...header, '', 'x'].join('\n')), LIMITS).attachments
    expect(file).toMatchObject({ filename: 'abc.pdf', disposition: 'attachment' })
  })

  test('inline keeps it', () => {
    const [file] = parseMessage(
      Buffer.from('Content-Type: image/png\nContent-Disposition: inline filename=a.png\n\nx'),
      LIMITS,
    ).attachments
    expect(file).toMatchObject({ filename: 'a.png', disposition: 'inline' })
  })
})

describe('bytes above 127 in a header', () => {
  const koi8 = Buffer.from('f0d2c9d7c5d4', 'hex')
  const mail = (...pieces: readonly (string | Buffer)[]) =>
    parseMessage(Buffer.concat(pieces.map((piece) => Buffer.from(piece))), LIMITS)

  test('have the charset of the text', () => {
    const { subject, headers } = mail('Subject: ', koi8, '\nContent-Type: text/plain; charset=koi8-r\n\nx')
    expect([subject, headers[0]]).toEqual(['Привет', ['Subject', 'Привет']])
    const { from } = mail('From: ', koi8, ' <a@b.example>\nContent-Type: text/html; charset=koi8-r\n\nx')
    expect(from).toEqual([{ name: 'Привет', address: 'a@b.example' }])
  })

  test('have the charset of the first text part, in subjects and file names', () => {
    const { subject, attachments } = mail(
      ...['Subject: ', koi8, '\nContent-Type: multipart/mixed; boundary=b\n\n'],
      '--b\nContent-Type: text/plain; charset=koi8-r\n\nx\n--b\nContent-Type: application/pdf\n',
      ...['Content-Disposition: attachment; filename="', koi8, '.pdf"\n\nx\n--b--'],
    )
    expect([subject, attachments[0]?.filename]).toEqual(['Привет', 'Привет.pdf'])
  })

  test('are UTF-8 if they can be, whatever the text is', () => {
    expect(mail('Subject: Grüße\nContent-Type: text/plain; charset=koi8-r\n\nx').subject).toBe('Grüße')
    expect(mail('Subject: gr', Buffer.from([0xfc]), 'n\nContent-Type: text/plain; charset=utf-16\n\nx').subject).toBe(
      'grün',
    )
  })
})

describe('text below a base64 body', () => {
  const base64 = ['Content-Transfer-Encoding: base64']
  const footer = '-- \nSingers mailing list\nsingers@lists.example.com'
  const encode = (text: string) => Buffer.from(text).toString('base64')

  test.each([
    ['after padding', `${encode('Seven sharp.\n')}\n${footer}`, `Seven sharp.\n${footer}`],
    ['after padding and an empty line', `${encode('Seven o’clock\n')}\n\n${footer}`, `Seven o’clock\n${footer}`],
    [
      'after an empty line, without padding',
      `${encode('at seven')}\n\nnot base64!`.replaceAll('=', ''),
      'at seven\nnot base64!',
    ],
    ['in another charset', `${encode('Seven.')}\n\nGr\u00fc\u00dfe, the list`, 'Seven.\nGrüße, the list'],
  ])('%s is kept as it is', (_, body, expected) => {
    expect(parse(base64, body)).toMatchObject({ text: expected })
  })

  test.each([
    ['base64 in pieces', `${encode('one ')}\n${encode('two')}\n\n${encode('three')}`, 'one twothree'],
    ['base64 with a damaged line', `${encode('a'.repeat(57))}\n!!!!\n${encode('b')}`, `${'a'.repeat(57)}b`],
    [
      'base64 in lines of other lengths with empty lines between',
      'SGVsbG8gd29ybGQs\n\nIHRoaXMgaXMgYSB0ZXN\n\n0Lg==',
      'Hello world, this is a test.',
    ],
    ['base64 with spaces at line ends', `${encode('one')} \n\n`, 'one'],
  ])('is not seen in %s', (_, body, expected) => {
    expect(parse(base64, body)).toMatchObject({ text: expected })
  })
})

describe('the charset of HTML', () => {
  const gb = Buffer.from('b6a9b5a5', 'hex')
  const parseHtml = (type: string, head: string) =>
    parseMessage(
      Buffer.concat([Buffer.from(`Content-Type: ${type}\n\n<html><head>${head}</head><p>`), gb, Buffer.from('</p>')]),
      LIMITS,
    ).html

  test.each([
    '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">',
    '<META CONTENT="text/html;charset=GBK" HTTP-EQUIV=Content-Type>',
    '<meta charset="gb18030">',
    "<title>x</title><meta name=a><meta charset='gb2312' />",
    '<!-- <meta charset=utf-8> --><meta charset=gb2312>',
  ])('is that of %s, if the field has none', (head) => {
    for (const type of ['text/html', 'text/html; charset=us-ascii', 'text/html; charset=unknown'])
      expect(parseHtml(type, head)).toContain('<p>订单</p>')
  })

  test('is that of an XML declaration too, and never UTF-16', () => {
    const xhtml = Buffer.from('Content-Type: text/html\n\n<?xml version="1.0" encoding="iso-8859-2"?><p>')
    expect(parseMessage(Buffer.concat([xhtml, Buffer.from('b3', 'hex')]), LIMITS).html).toContain('<p>ł')
    const utf16 = 'Content-Type: text/html\n\n<meta charset="utf-16"><p>grüße</p>'
    expect(parseMessage(Buffer.from(utf16), LIMITS).html).toContain('<p>grüße</p>')
  })

  test('is UTF-8 if its bytes are, whatever the document says', () => {
    for (const label of ['iso-8859-1', 'gb2312', 'windows-1251'])
      expect(parse(['Content-Type: text/html'], `<meta charset="${label}"><p>Grüße</p>`).html).toContain('<p>Grüße</p>')
    const jis = '<meta charset="iso-2022-jp"><p>\x1b$B2q5D\x1b(B</p>'
    expect(parse(['Content-Type: text/html'], jis).html).toContain('<p>会議</p>')
  })

  test('is that of the field, if it has one', () => {
    const html = parseHtml('text/html; charset=windows-1252', '<meta charset="gb2312">')
    expect(html).toContain('<p>¶©µ¥</p>')
  })
})

describe('a byte order mark', () => {
  test.each([
    ['efbbbf67c3bc', 'windows-1252', 'gü'],
    ['fffe6700fc00', undefined, 'gü'],
    ['feff006700fc', 'utf-8', 'gü'],
  ])('%s decides, whatever the label says', (hex, label, text) => {
    const header = `Content-Type: text/plain${label ? `; charset=${label}` : ''}\n\n`
    expect(parseMessage(Buffer.concat([Buffer.from(header), Buffer.from(hex, 'hex')]), LIMITS).text).toBe(text)
  })

  test('of UTF-16 is two letters in a single-byte charset', () => {
    const raw = Buffer.concat([
      Buffer.from('Content-Type: text/plain; charset=windows-1251\n\n'),
      Buffer.from('fffe', 'hex'),
    ])
    expect(parseMessage(raw, LIMITS).text).toBe('яю')
  })
})

describe('UTF-8 with bad bytes', () => {
  const bad = Buffer.from([0xe9])
  test.each([
    ['declared, and one bad byte', 'utf-8', ['Größere Räume, 20 €. caf', bad], 'Größere Räume, 20 €. caf\ufffd'],
    ['not declared, and one bad byte', undefined, ['Größere Räume, 20 €. caf', bad], 'Größere Räume, 20 €. caf\ufffd'],
    ['declared, but windows-1252', 'utf-8', ['caf', bad, ' cr', Buffer.from([0xe8]), 'me'], 'café crème'],
    ['not declared, and as many bad bytes as good characters', undefined, ['ü caf', bad], 'Ã¼ café'],
  ])('%s', (_, label, pieces, text) => {
    const header = `Content-Type: text/plain${label ? `; charset=${label}` : ''}\n\n`
    const bytes = pieces.map((piece) => Buffer.from(piece))
    expect(parseMessage(Buffer.concat([Buffer.from(header), ...bytes]), LIMITS).text).toBe(text)
  })
})

describe('the body of a message with', () => {
  const mixed = (...parts: string[][]) => [
    ...parts.flatMap(([header, content]) => ['--b', header!, '', content!]),
    '--b--',
  ]
  const parseMixed = (...parts: string[][]) =>
    parse(['Content-Type: multipart/mixed; boundary=b'], mixed(...parts).join('\n'))
  const html = ['Content-Type: text/html', '<p>Please approve.</p>']
  const text = ['Content-Type: text/plain', 'Hello']
  const pdf = ['Content-Type: application/pdf; name=a.pdf', '%PDF']
  const footer = ['Content-Type: text/plain\nContent-Disposition: inline', 'Buyers <list>']
  const named = ['Content-Type: text/plain\nContent-Disposition: inline; filename=message.txt', 'Hello']

  test.each([
    [
      'HTML and the footer of a list',
      [html, footer],
      undefined,
      '<p>Please approve.</p>\n<pre>Buyers &lt;list&gt;</pre>',
      [],
    ],
    [
      'HTML, a file and the footer of a list',
      [html, pdf, footer],
      undefined,
      '<p>Please approve.</p>\n<pre>Buyers &lt;list&gt;</pre>',
      ['a.pdf'],
    ],
    ['an empty text, then HTML', [['Content-Type: text/plain', ' \u200b\n&nbsp;'], html], undefined, html[1], []],
    ['an empty text alone', [['Content-Type: text/plain', ' ']], ' ', undefined, []],
    ['text and the footer of a list', [text, footer], 'Hello\nBuyers <list>', undefined, []],
    ['text, then HTML', [text, html], 'Hello', '<p>Please approve.</p>', []],
    ['a text with a file name first', [named, pdf], 'Hello', undefined, ['message.txt', 'a.pdf']],
    ['a text with a file name and a footer', [named, footer], 'Hello\nBuyers <list>', undefined, ['message.txt']],
    ['a text with a file name after a text', [text, [named[0]!, 'notes']], 'Hello', undefined, ['message.txt']],
    ['a text with a file name after a file', [pdf, named], undefined, undefined, ['a.pdf', 'message.txt']],
    [
      'an attached text first',
      [[named[0]!.replace('inline', 'attachment'), 'notes'], text],
      'Hello',
      undefined,
      ['message.txt'],
    ],
  ])('%s', (_, parts, expectedText, expectedHtml, files) => {
    expect(parseMixed(...parts)).toEqual({ text: expectedText, html: expectedHtml, files })
  })

  test.each(['inline', 'attachment'])('only one text that has a file name (%s)', (disposition) => {
    const header = ['Content-Type: text/plain', `Content-Disposition: ${disposition}; filename="scan.txt"`]
    expect(parse(header, 'Hello')).toEqual({ text: 'Hello', html: undefined, files: ['scan.txt'] })
    expect(parse(['Content-Type: text/html; name=a.html', header[1]!], '<p>x')).toMatchObject({ html: '<p>x' })
  })
})
