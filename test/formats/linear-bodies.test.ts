/** Bodies and whole messages that are made to be slow: every function that reads them takes linear time. */
import { describe, test } from 'vitest'
import { DataDecoder } from '../../src/edges/smtp/protocol/data-decoder.ts'
import { linesOfHtml } from '../../src/formats/html/html-lines.ts'
import { readImapStructure } from '../../src/formats/imap/read-structure.ts'
import { decodeCharset } from '../../src/formats/mime/charset.ts'
import { contentFingerprint } from '../../src/formats/mime/content-fingerprint.ts'
import { unflow } from '../../src/formats/mime/flowed-text.ts'
import { charsetInHtml } from '../../src/formats/mime/html-charset.ts'
import { parseMessage } from '../../src/formats/mime/mime-parse.ts'
import { base64End, decodeBytes } from '../../src/formats/mime/transfer-encoding.ts'
import { forwardBody } from '../../src/formats/reply/reply-compose.ts'
import { extractReply } from '../../src/formats/reply/reply-text.ts'
import { visibleTextOfHtml } from '../../src/formats/verification/visible-text.ts'
import { expectLinear, fill, LONG_MS, type Shape } from './linear.ts'
import { LIMITS } from './sample-messages.ts'
import { extractVerification } from './verification/extract-verification.ts'

type Shapes = readonly (readonly [string, Shape<string>])[]

function shapesOf(pieces: readonly string[], made: Readonly<Record<string, Shape<string>>> = {}): Shapes {
  const repeated = pieces.map((piece) => [JSON.stringify(piece), (size: number) => fill(piece, size)] as const)
  return [...repeated, ...Object.entries(made)]
}

const TEXTS = shapesOf(
  [
    ...['\n', ' \n', ' ', '\t', '\r', '\r\n', '\u2028', 'a', 'a\n', 'a \n', 'a\n\n', '\0', '\ud800', 'é\n', '。'],
    ...[
      '>',
      '>\n',
      '> a\n',
      '>> a \n>\n',
      '> a\n\n',
      '> a\nb\n',
      '> \n',
      '>\n\n\n',
      '-- \n',
      '--\na\n',
      '-----\n',
      '_____\n',
    ],
    ...[
      'On 2024 Ann wrote:\n',
      'On 2024 a\n',
      'On 2024 a@b\nwrote:\n\n',
      'From: a\n',
      'From: a\nSent: b\n',
      'To: a\n',
      'a: 12.03.2026 14:05 <b@c>\n',
      'On 12 jan 2024 14:05 a\n<b@c> wrote:\n\n',
      'On 12.03.2026 14:05 a@b wrote: c\n',
      'a:\n',
      ':\n',
    ],
    ...['-----Original Message\n', '--Forwarded\n', 'Sent from my phone\n', '2024 <a@b>:\n', '|', ' | ', '*', '#'],
    ...[
      'code 4829 ',
      'code:\n4829\n',
      '4\n',
      '4\t',
      '482 913 ',
      '4-',
      'A1B2 ',
      'https://a/?token=4829abc ',
      '@a #4829\n',
      '(((',
    ],
  ],
  {
    'a line of spaces above empty lines': (size) => `${fill(' ', size / 2)}\n${fill('\n', size / 2)}`,
    'spaces, empty lines, and a letter at the end': (size) => `x\n${fill(' ', size / 2)}\n${fill('\n', size / 2)}x`,
    'a long line above empty lines': (size) => `${fill('a', size / 2)}\n${fill('\n', size / 2)}x`,
    'quotes far apart': (size) => `>a${fill('\n', size / 2)}>a${fill('\n', size / 2)}x`,
    'invalid addresses in attributions': (size) => fill(`2024 <${fill('@', 250)}:\n`, size),
    'cells after a long word': (size) => `code ${fill('a', Math.min(size, 6_000))}${fill('\t~~4829', size)}`,
    'combining marks to be sorted': (size) => `code 4829 a${fill('\u0301\u0316', size)}`,
    'half-width marks to be sorted': (size) => `code 4829 a${fill('\u0301\uff9e', size)}`,
  },
)

const HTMLS = shapesOf(
  [
    ...[
      '<',
      '>',
      '&',
      '&amp',
      '&amp;',
      '&#x1f600;',
      '&#',
      '<!--',
      '<!--a-->',
      '<![CDATA[',
      '<?',
      '<!',
      '</',
      '</>',
      '<a',
      '<a ',
    ],
    ...[
      '<b>',
      '</b>',
      '<b></b>',
      '<p>',
      '<br>',
      '<td>4',
      '<tr><td>4</td></tr>',
      '<table><tr><td>',
      '<li>',
      '<option>',
      '<svg>',
    ],
    ...[
      '<script>',
      '</script>',
      '<script></s',
      '<style>a</style>',
      '<title>',
      '<textarea>',
      '<template>',
      '<pre>\n',
      '<pre>a\n</pre>',
    ],
    ...[
      '<blockquote type=cite>',
      '<blockquote type=cite>a</blockquote>b',
      '<div class=gmail_quote>',
      '<div class=gmail_quote>a@b wrote:<blockquote>c</blockquote></div>',
      '<blockquote>a</blockquote>b:',
      '<div id=divRplyFwdMsg>a</div>',
      '<hr>',
      '<pre>a\nb</pre>',
      '<a href=mailto:a@b>c</a>:<br>',
      '<div id=Signature>a</div>',
    ],
    ...[
      '<p hidden>a',
      '<p style="display:none">a</p>',
      '<a href=x>',
      '<a href="https://a/?t=4829abc">verify</a> ',
      '<img alt=a>',
    ],
    ...['<h1>482913</h1>', '<b>4</b>', '<input value=a>', '<form>', '<a href=x><a href=x>'],
  ],
  {
    'one tag of attributes': (size) => `<a ${fill('x=1 ', size)}>`,
    'one tag of many attributes': (size) => `<a ${Array.from({ length: size / 8 }, (_, i) => `x${i}=1`).join(' ')}>`,
    'one attribute': (size) => `<a x="${fill('y', size)}`,
    'a class of many names': (size) => `<div class="${fill('a ', size)}">x</div>`,
    'a style of many spaces': (size) => `<p style="${fill('font-size ', size)}">x</p>`,
    'one link around everything': (size) => `<a href=x>${fill('a ', size)}</a>`,
    'hidden text of combining marks to be sorted': (size) => `<p hidden>code 4829 a${fill('\u0301\u0316', size)}</p>`,
    'a script that nearly ends': (size) => `<script>${fill('</scrip', size)}`,
    'one cell per level': (size) => `${fill('<table><tr><td>', 4_000)}${fill('4</td><td>', size)}`,
  },
)

const ENCODED = [
  ...[
    '=',
    '= ',
    '=\n',
    '=\r',
    '=4',
    '=41',
    ' ',
    ' \n',
    '\t',
    'YQ==\r\n',
    'YQ==',
    'Y',
    'Y=',
    '-',
    '\xff',
    '\0',
    '\r\n',
    'a\n',
    '\r',
    '.\r\n',
  ],
  ...[
    '\r\n.\r',
    '..\r\n',
    '\n.',
    '+',
    '+-',
    '+AA-',
    '+2AA',
    '+AAAAAAAA',
    '\x1b$B',
    '\x1b(B',
    '\x1b',
    '\x81',
    '\x81\x30',
    '\xd8\0',
    '~{',
  ],
]
const BYTES = shapesOf(ENCODED).map(
  ([label, shape]) => [label, (size: number) => Buffer.from(shape(size), 'latin1')] as const,
)
const CHARSETS = ['', 'utf-8', 'utf-7', 'utf-16', 'utf-16be', 'utf-32', 'iso-2022-jp', 'gb18030', 'big5', 'shift_jis']
const MORE_CHARSETS = [
  'euc-kr',
  'euc-jp',
  'windows-1252',
  'koi8-r',
  'utf-7-imap',
  'cesu-8',
  'hz-gb-2312',
  'iso-2022-kr',
  'x-no-such',
]

const REPLY = { subject: 'Re: a', inReplyTo: ['<a@b>'] }

const MULTIPART = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n'
const MESSAGES = shapesOf(
  [
    ...[
      'a: b\r\n',
      'a:\n',
      'a:\n b\n',
      ': ',
      'a',
      ' ',
      '\n',
      '\r',
      '--',
      '\n--',
      '--b\r\n',
      'From ',
      'From: a@b, ',
      '\0',
    ],
    'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n',
    'Content-Type: message/rfc822\r\n\r\n',
  ],
  {
    parts: (size) => MULTIPART + fill('--b\r\n\r\nx\r\n', size),
    'parts with fields': (size) => MULTIPART + fill(`--b\r\n${fill('a:\n', 3_000)}\r\nx\r\n`, size),
    'parts that are attached': (size) =>
      MULTIPART +
      fill(
        '--b\r\nContent-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n',
        size,
      ),
    'ends of parts': (size) => MULTIPART + fill('--b--\r\n', size),
    'lines that begin with a boundary': (size) => MULTIPART + fill('--ba\r\n', size),
    'a boundary of many spaces': (size) => MULTIPART + fill(`--b${fill(' ', 900)}x\r\n`, size),
    'multiparts of different names': (size) =>
      Array.from(
        { length: size / 60 },
        (_, i) => `--b${i - 1}\r\nContent-Type: multipart/alternative; boundary=b${i}\r\n\r\n`,
      ).join(''),
    'related parts that name their root': (size) =>
      `Content-Type: multipart/related; boundary=b; start="<z>"\r\n\r\n${fill('--b\r\nContent-ID: <a>\r\n\r\nx\r\n', size)}`,
    'one field': (size) => `Subject: ${fill('a ', size)}\r\n\r\n`,
    'one name of a field': (size) => `${fill('a', size)}: b\r\n\r\n`,
    references: (size) => `References: ${fill('<a@b> ', size)}\r\n\r\n`,
    'flowed text': (size) => `Content-Type: text/plain; format=flowed\r\n\r\n${fill('> a \r\n', size)}`,
    'HTML in base64 pieces': (size) =>
      `Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n${fill('PA==\r\n', size)}`,
  },
)
const WIDE = { ...LIMITS, headerBytesMax: 2_000_000 }

describe('text', () => {
  test.each<[string, (text: string) => unknown]>([
    ['flowed text', (text) => [unflow(text, false), unflow(text, true)]],
    ['replies', (text) => extractReply({ text }, REPLY, Number.POSITIVE_INFINITY)],
    ['codes and links', (text) => extractVerification({ subject: text, text })],
    ['forwards', (text) => forwardBody({ from: [], to: [], subject: text, text }, { html: '' })],
  ])('%s take linear time', { timeout: LONG_MS }, (reader, read) => {
    for (const [shape, make] of TEXTS) expectLinear(`${reader}: ${shape}`, make, read)
  })
})

describe('HTML', () => {
  test.each<[string, (html: string) => unknown]>([
    ['lines', (html) => linesOfHtml(html, 1_000_000)],
    ['replies', (html) => extractReply({ html }, REPLY, Number.POSITIVE_INFINITY)],
    ['visible text', (html) => visibleTextOfHtml(html, 1_000_000)],
    ['codes and links', (html) => extractVerification({ subject: 'code', html })],
  ])('%s take linear time', { timeout: LONG_MS }, (reader, read) => {
    for (const [shape, make] of HTMLS) expectLinear(`${reader}: ${shape}`, make, read)
  })
})

describe('bytes', () => {
  test.each<[string, (bytes: Buffer) => unknown]>([
    ['ends of base64', base64End],
    ['charsets in HTML', charsetInHtml],
    ['base64', (bytes) => decodeBytes(bytes, 'base64')],
    ['quoted-printable', (bytes) => decodeBytes(bytes, 'quoted-printable')],
    ['SMTP DATA', (bytes) => decodeData(bytes)],
    ['fingerprints', (bytes) => contentFingerprint({ from: [], to: [], cc: [], replyTo: [], headers: [] }, bytes)],
    ...[...CHARSETS, ...MORE_CHARSETS].map((charset): [string, (bytes: Buffer) => unknown] => [
      `charset "${charset}"`,
      (bytes) => decodeCharset(bytes, charset),
    ]),
  ])('%s takes linear time', { timeout: LONG_MS }, (reader, read) => {
    for (const [shape, make] of BYTES) expectLinear(`${reader}: ${shape}`, make, read)
  })
})

test('whole messages take linear time', { timeout: LONG_MS }, () => {
  for (const [shape, make] of MESSAGES)
    expectLinear(
      shape,
      (size) => Buffer.from(make(size)),
      (raw) => parseMessage(raw, WIDE),
    )
})

test('whole messages take linear time for IMAP', { timeout: LONG_MS }, () => {
  for (const [shape, make] of MESSAGES)
    expectLinear(
      shape,
      (size) => Buffer.from(make(size)),
      (raw) => readImapStructure(raw, WIDE),
    )
})

/** Decodes in chunks, as a socket delivers them. */
function decodeData(bytes: Buffer): void {
  const decoder = new DataDecoder()
  for (let at = 0; at < bytes.length; at += 65_536) {
    if (decoder.decode(bytes.subarray(at, at + 65_536)).rest) return
  }
}
