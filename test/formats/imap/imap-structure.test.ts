import { expect, test } from 'vitest'
import type { Section } from '../../../src/formats/imap/imap-parts.ts'
import { RESPONSE_CHARS_MAX } from '../../../src/formats/imap/imap-response-budget.ts'
import { mayHaveParts, readEnvelope, readImapStructure } from '../../../src/formats/imap/read-structure.ts'
import { sectionRange, selectHeaderFields } from '../../../src/formats/imap/sections.ts'

const LIMITS = { depthMax: 20, partsMax: 100, headerBytesMax: 64 * 1024, headerFieldsMax: 1_000 }
const bytes = (text: string) => Buffer.from(text.replace(/\n/g, '\r\n'))
const structureOf = (text: string) => readImapStructure(bytes(text), LIMITS).bodyStructure
const envelopeOf = (header: string) => readEnvelope(bytes(`${header}\n\n`), LIMITS)

test.each([
  [
    'a usual header',
    'Date: Mon, 7 Feb 1994 21:52:25 -0800\nFrom: Fred Foobar <foobar@Blurdybloop.example>\nSubject: afternoon meeting\n' +
      'To: mooch@owatagu.example\nMessage-ID: <B27397-0100000@Blurdybloop.example>\nIn-Reply-To: <a@b>',
    '("Mon, 7 Feb 1994 21:52:25 -0800" "afternoon meeting" (("Fred Foobar" NIL "foobar" "Blurdybloop.example")) ' +
      '(("Fred Foobar" NIL "foobar" "Blurdybloop.example")) (("Fred Foobar" NIL "foobar" "Blurdybloop.example")) ' +
      '((NIL NIL "mooch" "owatagu.example")) NIL NIL "<a@b>" "<B27397-0100000@Blurdybloop.example>")',
  ],
  [
    'Sender and Reply-To of their own',
    'From: a@x\nSender: b@x\nReply-To: c@x, d@x',
    '(NIL NIL ((NIL NIL "a" "x")) ((NIL NIL "b" "x")) ((NIL NIL "c" "x")(NIL NIL "d" "x")) NIL NIL NIL NIL NIL)',
  ],
  [
    'a group, and one that is empty',
    'To: friends: ann@x, Bob <bob@x>; , undisclosed-recipients:;',
    '(NIL NIL NIL NIL NIL ((NIL NIL "friends" NIL)(NIL NIL "ann" "x")("Bob" NIL "bob" "x")(NIL NIL NIL NIL)' +
      '(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)',
  ],
  [
    'encoded words as they are, quotes and backslashes escaped',
    'From: =?utf-8?q?J=C3=BCrgen?= <j@x>\nSubject: say "hi" \\o/ =?utf-8?b?w7w=?=\nTo: "a \\"b\\"" <"q. s"@x>',
    '(NIL "say \\"hi\\" \\\\o/ =?utf-8?b?w7w=?=" (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "x")) ' +
      '(("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "x")) (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "x")) ' +
      '(("a \\"b\\"" NIL "q. s" "x")) NIL NIL NIL NIL)',
  ],
  [
    'UTF-8 in the header as ASCII',
    'Subject: Grüße aus Köln\nTo: Jürgen <jürgen@bücher.example>',
    '(NIL "=?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=" NIL NIL NIL ' +
      '(("=?utf-8?B?SsO8cmdlbg==?=" NIL "=?utf-8?B?asO8cmdlbg==?=" "xn--bcher-kva.example")) NIL NIL NIL NIL)',
  ],
  ['a folded subject', 'Subject: one\n two', '(NIL "one two" NIL NIL NIL NIL NIL NIL NIL NIL)'],
  ['an empty subject', 'Subject: ', '(NIL "" NIL NIL NIL NIL NIL NIL NIL NIL)'],
  [
    'a user without a domain, and a name without an address',
    'To: "Mail System" <>, nobody',
    '(NIL NIL NIL NIL NIL (("Mail System" NIL "" "")(NIL NIL "nobody" "")) NIL NIL NIL NIL)',
  ],
  ['control characters', 'Subject: ab\u0007c', '(NIL "ab c" NIL NIL NIL NIL NIL NIL NIL NIL)'],
])('ENVELOPE: %s', (_, header, expected) => {
  expect(envelopeOf(header)).toBe(expected)
})

test('ENVELOPE: a string that is too long for a quoted one is a literal', () => {
  const subject = 'x'.repeat(1_001)
  expect(envelopeOf(`Subject: ${subject}`)).toBe(`(NIL {1001}\r\n${subject} NIL NIL NIL NIL NIL NIL NIL NIL)`)
})

const ALTERNATIVE = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

preamble
--outer
Content-Type: multipart/alternative; boundary="in ner"

--in ner
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

one
two
--in ner
Content-Type: text/html

<p>one
--in ner--
--outer
Content-Type: application/pdf; name="=?utf-8?q?gr=C3=BCn.pdf?="
Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.pdf; size=3
Content-Transfer-Encoding: base64
Content-ID: <p1@x>
Content-Description: the plan
Content-Language: de, en
Content-Location: here
Content-MD5: abc

AAAA
--outer
Content-Type: message/rfc822

Subject: inner
From: a@x

body
--outer--
epilogue
`

test('BODYSTRUCTURE: parts, parameters, extension data, a message in a message', () => {
  expect(structureOf(ALTERNATIVE)).toBe(
    '((("text" "plain" ("charset" "UTF-8") NIL NIL "quoted-printable" 8 1 NIL NIL NIL NIL)' +
      '("text" "html" NIL NIL NIL "7bit" 6 0 NIL NIL NIL NIL)' +
      ' "alternative" ("boundary" "in ner") NIL NIL NIL)' +
      '("application" "pdf" ("name*" "utf-8\'\'gr%C3%BCn.pdf") "<p1@x>" "the plan" "base64" 4 "abc" ' +
      '("attachment" ("size" "3" "filename*" "utf-8\'\'gr%C3%BCn.pdf")) ("de" "en") "here")' +
      '("message" "rfc822" NIL NIL NIL "7bit" 33 (NIL "inner" ((NIL NIL "a" "x")) ((NIL NIL "a" "x")) ((NIL NIL "a" "x")) ' +
      'NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)' +
      ' "mixed" ("boundary" "outer") NIL NIL NIL)',
  )
  const { body } = readImapStructure(bytes('Content-Type: text/html; charset=x\n\nhi\n'), LIMITS)
  expect(body).toBe('("text" "html" ("charset" "x") NIL NIL "7bit" 4 1)')
})

test('BODYSTRUCTURE: a multipart without parts has an empty one', () => {
  expect(structureOf('Content-Type: multipart/mixed; boundary=b\n\nnothing')).toBe(
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)',
  )
})

test('BODYSTRUCTURE: messages in messages end at a depth, and then are files', () => {
  const nested = `${'Content-Type: message/rfc822\n\n'.repeat(50)}end`
  const structure = structureOf(nested)
  expect(structure.match(/"rfc822"/g)).toHaveLength(5)
  expect(structure).toContain('("application" "octet-stream"')
})

test('BODYSTRUCTURE and ENVELOPE end at a length: strings become NIL, lists end, and all parts are there', () => {
  const limits = { ...LIMITS, headerBytesMax: 1_000_000 }
  const long = 'x'.repeat(200_000)
  const part = `--b\nContent-Type: a/b; c=${long}\nContent-Description: ${long}\nContent-Language: en\n\n`
  const raw = bytes(
    `Content-Type: multipart/mixed; boundary=b\nTo: ${'a@b,'.repeat(50_000)}\nMessage-ID: <m>\n\n${part.repeat(3)}`,
  )
  const { envelope, bodyStructure, root } = readImapStructure(raw, limits)
  expect(root.parts).toHaveLength(3)
  expect(bodyStructure.replaceAll(/x{200000}/g, 'x')).toBe(
    `((${'"a" "b" ("c" {200000}\r\nx) NIL {200000}\r\nx "7bit" 0 NIL NIL ("en") NIL)'}(${'"a" "b" NIL NIL NIL "7bit" 0 NIL NIL NIL NIL)'}` +
      `(${'"a" "b" NIL NIL NIL "7bit" 0 NIL NIL NIL NIL)'} "mixed" NIL NIL NIL NIL)`,
  )
  expect(envelope.length).toBeLessThan(600_000)
  expect(envelope).toMatch(/^\(NIL NIL NIL NIL NIL \((?:\(NIL NIL "a" "b"\))+\) NIL NIL NIL "<m>"\)$/)
})

test('ENVELOPE of many groups is no longer than that, and each that begins ends', () => {
  const header = bytes(`To: ${'g:;,'.repeat(50_000)}\n\n`)
  const envelope = readEnvelope(header, { ...LIMITS, headerBytesMax: 1_000_000 })
  expect(envelope.length).toBeGreaterThan(RESPONSE_CHARS_MAX - 100)
  expect(envelope.length).toBeLessThan(RESPONSE_CHARS_MAX + 100)
  expect(envelope).toMatch(/^\(NIL NIL NIL NIL NIL \((?:\(NIL NIL "g" NIL\)\(NIL NIL NIL NIL\))+\) NIL NIL NIL NIL\)$/)
})

test.each<[string, Section['path'], Section['of'], string | undefined]>([
  ['BODY[1.1]', [1, 1], 'whole', 'one\r\ntwo'],
  ['BODY[1.2.MIME]', [1, 2], 'mime', 'Content-Type: text/html\r\n\r\n'],
  ['BODY[2]', [2], 'whole', 'AAAA'],
  ['BODY[3]', [3], 'whole', 'Subject: inner\r\nFrom: a@x\r\n\r\nbody'],
  ['BODY[3.HEADER]', [3], 'header', 'Subject: inner\r\nFrom: a@x\r\n\r\n'],
  ['BODY[3.TEXT]', [3], 'text', 'body'],
  ['BODY[3.1]', [3, 1], 'whole', 'body'],
  ['BODY[3.1.MIME]', [3, 1], 'mime', 'Subject: inner\r\nFrom: a@x\r\n\r\n'],
  ['BODY[3.1.1]', [3, 1, 1], 'whole', undefined],
  ['BODY[3.2]', [3, 2], 'whole', undefined],
  ['BODY[4]', [4], 'whole', undefined],
  ['BODY[2.TEXT]', [2], 'text', undefined],
])('%s', (_, path, of, expected) => {
  const raw = bytes(ALTERNATIVE)
  const range = sectionRange(readImapStructure(raw, LIMITS).root, { path, of })
  expect(range && raw.toString('utf8', range.start, range.end)).toBe(expected)
})

test('sections of a message that is not a multipart', () => {
  const raw = bytes('Subject: s\n\nbody\n')
  const { root } = readImapStructure(raw, LIMITS)
  const text = (path: number[], of: Section['of']) => {
    const range = sectionRange(root, { path, of })
    return range && raw.toString('utf8', range.start, range.end)
  }
  expect(text([], 'whole')).toBe('Subject: s\r\n\r\nbody\r\n')
  expect(text([], 'header')).toBe('Subject: s\r\n\r\n')
  expect(text([], 'text')).toBe('body\r\n')
  expect(text([1], 'whole')).toBe('body\r\n')
  expect(text([1], 'mime')).toBe('Subject: s\r\n\r\n')
  expect(text([2], 'whole')).toBeUndefined()
})

test('HEADER.FIELDS keeps fields as they are, folded and repeated ones too', () => {
  const header = bytes('Received: a\nSubject: one\n two\nreceived: b\nX: y\n\n')
  const names = new Set(['received', 'x'])
  expect(selectHeaderFields(header, names, false).toString()).toBe('Received: a\r\nreceived: b\r\nX: y\r\n\r\n')
  expect(selectHeaderFields(header, names, true).toString()).toBe('Subject: one\r\n two\r\n\r\n')
})

test.each([
  ['without a type', 'Subject: a patch\n\n--- a/file\n', false],
  ['text', 'Content-Type: text/x-patch; boundary=b\n\n--b\n', false],
  ['a type that cannot be read', 'Content-Type: nothing\n\n--b\n', false],
  ['a multipart', 'Content-TYPE : Multipart/mixed; boundary=b\n\n--b\n', true],
  ['a multipart without a subtype', 'Content-Type: multipart; boundary=b\n\n--b\n', true],
  ['a message', 'Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n', true],
  ['several types', 'Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n--b\n', true],
  ['after a line of a mailbox file', 'From ann@x.test Mon Feb  7\nContent-Type: multipart/mixed\n\n--b\n', true],
  ['a header that is long', `X: ${'x'.repeat(40_000)}\nContent-Type: text/plain\n\n--b\n`, true],
  ['a header with many fields', `${'a: b\n'.repeat(10_000)}Content-Type: text/plain\n\n--b\n`, true],
  ['a header without an end', 'Content-Type: text/plain', true],
])('a message that may have parts: %s', (_, message, expected) => {
  expect(mayHaveParts(bytes(message))).toBe(expected)
})
