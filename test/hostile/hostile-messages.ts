/** Messages that are costly to parse, by shape. Each is about as long as requested, with CRLF line endings. */
import type { Random } from '../formats/random.ts'
import { fill } from './attack.ts'

const crlf = (...lines: readonly string[]) => lines.join('\r\n')

/** Numbered copies of a line, about so many bytes of them. */
function numbered(line: (index: number) => string, sizeBytes: number): string {
  const count = Math.max(1, Math.floor(sizeBytes / (line(1_000).length + 2)))
  return Array.from({ length: count }, (_, index) => line(index)).join('\r\n')
}

function html(body: string): string {
  return crlf('Content-Type: text/html; charset=utf-8', '', body)
}

function multipart(parts: string, type = 'mixed'): string {
  return crlf(`Content-Type: multipart/${type}; boundary=b`, '', parts, '--b--', '')
}

function nested(depth: number, type: string): string {
  const open = Array.from({ length: depth }, (_, i) =>
    crlf(`--b${i}`, `Content-Type: ${type}; boundary=b${i + 1}`, '', ''),
  )
  return crlf(`Content-Type: ${type}; boundary=b0`, '', open.join(''))
}

export const mailShapes: Readonly<Record<string, (sizeBytes: number) => string | Buffer>> = {
  // MIME
  'multiparts in multiparts': (size) => nested(size / 60, 'multipart/mixed'),
  'a thousand alternatives in alternatives': () => nested(1_000, 'multipart/alternative'),
  'messages in messages': (size) => fill('Content-Type: message/rfc822\r\n\r\n', size),
  'ten thousand parts': () => multipart(fill('--b\r\n\r\nx\r\n', 100_000)),
  'parts without a header': (size) => multipart(fill('--b\r\n', size)),
  'attachments without content': (size) =>
    multipart(fill('--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n\r\n', size)),
  'boundaries that begin alike': (size) => multipart(numbered((i) => `--b${i}\r\n\r\nx`, size)),
  'a boundary of 70 characters, nearly': (size) =>
    crlf(`Content-Type: multipart/mixed; boundary=${fill('-', 70)}`, '', fill('-', size)),
  'an empty boundary': (size) => crlf('Content-Type: multipart/mixed; boundary=""', '', fill('--\r\n', size)),
  'dashes at every line': (size) => multipart(fill('--\r\n', size)),
  'a long boundary': (size) =>
    crlf(`Content-Type: multipart/mixed; boundary=${fill('b', 900)}`, '', fill('x\r\n', size)),
  'a delivery report of many recipients': (size) =>
    multipart(
      crlf('--b', 'Content-Type: message/delivery-status', '', fill('Final-Recipient: rfc822; a@b.test\r\n\r\n', size)),
      'report',
    ),
  // Encodings
  'short base64 lines': (size) => crlf('Content-Transfer-Encoding: base64', '', fill('YQ==\r\n', size)),
  'short base64 lines of an attachment': (size) =>
    multipart(
      crlf('--b', 'Content-Type: application/pdf', 'Content-Transfer-Encoding: base64', '', fill('YQ==\r\n', size)),
    ),
  'base64 of other characters': (size) => crlf('Content-Transfer-Encoding: base64', '', fill('=-_ \t!', size)),
  'base64 in one line': (size) => crlf('Content-Transfer-Encoding: base64', '', fill('QUJD', size)),
  'soft line breaks': (size) => crlf('Content-Transfer-Encoding: quoted-printable', '', fill('=\r\n', size)),
  'half quoted-printable': (size) => crlf('Content-Transfer-Encoding: quoted-printable', '', fill('=E=é=', size)),
  'trailing spaces': (size) => crlf('Content-Transfer-Encoding: quoted-printable', '', fill('x    \t', size)),
  'uuencoded text': (size) =>
    crlf('Content-Transfer-Encoding: x-uuencode', '', 'begin 644 a', fill('#86)C\r\n', size), 'end'),
  'an unknown encoding': (size) => crlf('Content-Transfer-Encoding: rot13', '', fill('x', size)),
  // Headers
  'many fields': (size) =>
    crlf(
      numbered((i) => `X-${i}: y`, size),
      '',
      'x',
    ),
  'one field many times': (size) => crlf(fill('Received: from a by b\r\n', size), 'x'),
  'many subjects': (size) => crlf(fill('Subject: s\r\n', size), 'x'),
  'one long field': (size) => crlf(`X: ${fill('y ', size)}`, '', 'x'),
  'one long folded field': (size) => crlf(`Subject: ${fill('\r\n s', size)}`, '', 'x'),
  'a header without an end': (size) => fill('X: y\r\n', size),
  'lines that are no fields': (size) => crlf(fill('nothing\r\n', size), 'x'),
  'a long name of a field': (size) => crlf(`${fill('X', size)}: y`, '', 'x'),
  'many recipients': (size) => crlf(`To: ${numbered((i) => ` "A ${i}" <a${i}@b.test>,`, size)}`, '', 'x'),
  'many groups': (size) => crlf(`To: ${fill('g:a@b.test;,', size)}`, '', 'x'),
  'comments in comments': (size) => crlf(`To: ${fill('(', size / 2)}${fill(')', size / 2)}`, '', 'x'),
  'brackets in From': (size) => crlf(`From: ${fill('<', size)}`, '', 'x'),
  'quotes in From': (size) => crlf(`From: ${fill('"\\', size)}`, '', 'x'),
  'many references': (size) => crlf(`References: ${numbered((i) => ` <${i}@b.test>`, size)}`, '', 'x'),
  'brackets in references': (size) => crlf(`References: ${fill('<', size / 2)}${fill('>', size / 2)}`, '', 'x'),
  'encoded words': (size) => crlf(`Subject: ${fill('=?utf-8?q?=41?= ', size)}`, '', 'x'),
  'encoded words of many charsets': (size) =>
    crlf(`Subject: ${fill('=?iso-2022-jp?b?GyRC?= =?utf-7?q?+AGE?= =?x?b?YQ?= ', size)}`, '', 'x'),
  'half encoded words': (size) => crlf(`Subject: ${fill('=?utf-8?q?', size)}`, '', 'x'),
  'encoded words as a name': (size) => crlf(`From: ${fill('=?utf-8?q?a=2C?= ', size)} <a@b.test>`, '', 'x'),
  'many parameters': (size) => crlf(`Content-Type: text/plain; ${numbered((i) => ` p${i}=v;`, size)}`, '', 'x'),
  'parameters in pieces': (size) =>
    crlf('Content-Type: a/b;', `${numbered((i) => ` name*${i}*=utf-8''%41;`, size)}`, '', 'x'),
  'a long charset': (size) => crlf(`Content-Type: text/plain; charset=${fill('x', size)}`, '', 'x'),
  'a long date': (size) => crlf(`Date: ${fill('1 ', size)}`, '', 'x'),
  'a long file name': (size) =>
    multipart(crlf('--b', `Content-Disposition: attachment; filename=${fill('../', size)}`, '', 'x')),
  'NULs in the header': (size) => crlf(`Subject: ${fill('a\0', size)}`, '', 'x'),
  // HTML
  'tags in tags': (size) => html(fill('<div>', size)),
  'tags and stray closing tags': (size) => html(`${fill('<i>', size / 2)}${fill('</b>', size / 2)}`),
  'closing tags only': (size) => html(fill('</p>', size)),
  'tables in tables': (size) => html(fill('<table><tr><td>', size)),
  'quotes in quotes': (size) => html(fill('<blockquote type=cite>', size)),
  'SVG out of order': (size) => html(`${fill('<svg>', size / 2)}${fill('<p></svg>', size / 2)}`),
  'angle brackets': (size) => html(fill('<', size)),
  'comments without an end': (size) => html(fill('<!--', size)),
  'one tag of many attributes': (size) => html(`<a ${numbered((i) => `a${i}=1`, size)}>`),
  'one long attribute': (size) => html(`<a href="${fill('y', size)}`),
  'half entities': (size) => html(fill('&amp', size)),
  'hidden text': (size) => html(fill('<p style="display:none">123456</p>', size)),
  'many links': (size) => html(numbered((i) => `<a href="https://a.test/verify?t=${i}">verify</a>`, size)),
  'style without an end': (size) => html(`<style>${fill('a{', size)}`),
  'script without an end': (size) => html(`<script>${fill('</scrip', size)}`),
  // Text
  'quotes of quotes': (size) => crlf('', fill('>', size)),
  'quote levels': (size) => crlf('', fill('> > > x\r\n> y\r\n', size)),
  attributions: (size) => crlf('', fill('On Mon, 1 Jan 2024 at 10:00, A <a@b.test> wrote:\r\n', size)),
  signatures: (size) => crlf('', fill('-- \r\n', size)),
  'flowed text': (size) => crlf('Content-Type: text/plain; format=flowed', '', fill('> a \r\n', size)),
  codes: (size) =>
    crlf(
      '',
      numbered((i) => `Your verification code is ${100_000 + i}`, size),
    ),
  'one long line': (size) => crlf('', fill('x', size)),
  'one long line of digits': (size) => crlf('', fill('1', size)),
  'addresses of pages': (size) => crlf('', fill('https://a.test/?a=%', size)),
  'line ends': (size) => crlf('', fill('\r\n', size)),
  'bare line feeds': (size) => crlf('', fill('\n', size)),
  'bare carriage returns': (size) => crlf('', fill('\r', size)),
  dots: (size) => crlf('', fill('..\r\n', size)),
  NULs: (size) =>
    Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), Buffer.alloc(Math.floor(size)), Buffer.from('\r\n')]),
  'combining characters': (size) => crlf('Content-Type: text/plain; charset=utf-8', '', `a${fill('\u0301', size)}`),
  'text that turns around': (size) => crlf('Content-Type: text/plain; charset=utf-8', '', fill('\u202e\u2066', size)),
  // Charsets
  'UTF-7': (size) => crlf('Content-Type: text/plain; charset=utf-7', '', fill('+2D3cAA-+', size)),
  'UTF-16, odd': (size) => charset('utf-16', Buffer.alloc(Math.floor(size) | 1, 0xd8)),
  'UTF-32': (size) => charset('utf-32', Buffer.alloc(Math.floor(size), 0xff)),
  'ISO-2022-JP escapes': (size) => charset('iso-2022-jp', Buffer.from(fill('\x1b$B!!\x1b(', size), 'latin1')),
  HZ: (size) => charset('hz-gb-2312', Buffer.from(fill('~{~~', size))),
  GB18030: (size) => charset('gb18030', Buffer.alloc(Math.floor(size), 0x81)),
  Big5: (size) => charset('big5', Buffer.alloc(Math.floor(size), 0xfe)),
  'an unknown charset': (size) => charset('x-nothing', Buffer.alloc(Math.floor(size), 0x80)),
  'UTF-8 that is none': (size) => charset('utf-8', Buffer.alloc(Math.floor(size), 0xf8)),
}

function charset(name: string, body: Buffer): Buffer {
  const head = `Content-Type: text/plain; charset=${name}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`
  // A line feed inside would become CRLF in transit, and the number of bytes would no longer be odd.
  return Buffer.concat([Buffer.from(head), body, Buffer.from('\r\n')])
}

const PIECES = [
  ...['--b', '--b--', '--', '\r\n', '\r\n\r\n', '\r', ' ', '\t', ':', ';', '=', '"', '<', '>', '@', ',', '\\', '\0'],
  ...['Content-Type: ', 'multipart/mixed; boundary=b', 'message/rfc822', 'text/html', 'text/plain; charset='],
  ...[
    'utf-7',
    'iso-2022-jp',
    'gb18030',
    'Content-Transfer-Encoding: base64',
    'Content-Transfer-Encoding: quoted-printable',
  ],
  ...[
    'Subject: ',
    'From: ',
    'To: ',
    'Message-ID: <',
    'References: ',
    '=?utf-8?q?',
    '=?utf-8?b?',
    '?=',
    '+2AA-',
    '\x1b$B',
  ],
  ...['<div>', '</p>', '<a href="', '<!--', '&#x', '<blockquote>', 'code 123456', 'https://a.test/verify', 'é', '\xff'],
]

/** Returns a message that is composed of random pieces of messages. */
export function randomMail(random: Random): Buffer {
  const pieces = Array.from({ length: random.below(400) }, () => random.pick(PIECES))
  return Buffer.from(pieces.join(''), 'latin1')
}
