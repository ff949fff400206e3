/**
 * Whatever the input bytes are, parsing must end soon, throw nothing, and give a result that can be stored: offsets
 * inside the message, no NUL and no lone surrogate in any text, no line break in a header value.
 */
import { describe, expect, test } from 'vitest'
import { type MimeMessage, parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { decodePart } from '../../../src/formats/mime/transfer-encoding.ts'
import { amount } from '../../support/amount.ts'
import { expectBounded } from '../bounded.ts'
import { mutate, seededRandom } from '../random.ts'
import { LIMITS, mail, samples } from '../sample-messages.ts'

const MESSAGES = amount({ short: 2_000, long: 100_000 })
const LONG_MS = 600_000

function expectStorable(raw: Buffer, parsed: MimeMessage, label: string): void {
  const { text = '', html = '', subject = '', headers, from, to, cc, attachments, bodyOffset } = parsed
  const values = [
    subject,
    ...headers.flat(),
    ...[...from, ...to, ...cc].flatMap(({ name = '', address }) => [name, address]),
  ]
  const strings = [
    text,
    html,
    ...values,
    ...attachments.flatMap((each) => [each.filename ?? '', each.contentId ?? '', each.contentType]),
  ]
  const problems = [
    ...strings.filter((each) => each.includes('\0') || Buffer.from(each).toString() !== each),
    ...values.filter((each) => /[\r\n]/.test(each)),
    ...attachments.filter((each) => each.offset < 0 || each.length < 0 || each.offset + each.length > raw.length),
    ...attachments.filter((each) => decodePart(raw, each).length !== each.size),
    ...(bodyOffset < 0 || bodyOffset > raw.length ? [bodyOffset] : []),
  ]
  expect(problems, label).toEqual([])
}

test(`${MESSAGES.toLocaleString('en')} messages of random bytes are parsed`, { timeout: LONG_MS }, () => {
  for (let seed = 0; seed < MESSAGES; seed++) {
    const random = seededRandom(seed)
    const raw = random.bytes(random.below(300))
    expectStorable(raw, parseMessage(raw, LIMITS), `seed ${seed}`)
  }
})

test(`${MESSAGES.toLocaleString('en')} messages of random pieces are parsed`, { timeout: LONG_MS }, () => {
  const pieces = [
    ...[
      '\r\n',
      '\n',
      '\r',
      '--b',
      '--',
      '--b--',
      'Content-Type: ',
      'multipart/mixed; boundary=b',
      'text/plain; charset=',
    ],
    ...[
      'Content-Transfer-Encoding: base64',
      'Content-Transfer-Encoding: quoted-printable',
      'gb18030',
      'iso-2022-jp',
      'utf-7',
    ],
    ...[
      'Subject: ',
      '=?utf-8?q?',
      '?=',
      'From: ',
      '<',
      '>',
      '"',
      ';',
      '@',
      '=',
      '\0',
      '\xff',
      ' ',
      ':',
      'a',
      '\x1b$B',
      '+2AA-',
    ],
  ]
  for (let seed = 0; seed < MESSAGES; seed++) {
    const random = seededRandom(seed)
    const raw = Buffer.from(Array.from({ length: random.below(80) }, () => random.pick(pieces)).join(''), 'latin1')
    expectStorable(raw, parseMessage(raw, LIMITS), `seed ${seed}`)
  }
})

describe.each(Object.entries(samples))('the message "%s"', (name, sample) => {
  test('is parsed after each of 500 mutations', () => {
    for (let seed = 0; seed < 500; seed++) {
      const raw = mutate(sample, seededRandom(seed))
      expectStorable(raw, parseMessage(raw, LIMITS), `${name}, seed ${seed}`)
    }
  })

  test('is parsed when cut off after each byte', () => {
    for (let length = 0; length < sample.length; length++) {
      const raw = sample.subarray(0, length)
      expectStorable(raw, parseMessage(raw, LIMITS), `${name}, ${length} bytes`)
    }
  })
})

const MEGABYTE = 1_000_000
test.each<[string, Buffer]>([
  [
    '10,000 nested multiparts',
    Buffer.from(
      `Content-Type: multipart/alternative; boundary=b0\r\n\r\n${Array.from({ length: 10_000 }, (_, i) => `--b${i}\r\nContent-Type: multipart/alternative; boundary=b${i + 1}\r\n\r\n`).join('')}`,
    ),
  ],
  ['100,000 parts', mail('Content-Type: multipart/related; boundary=b', '', '--b\r\n\r\nx\r\n'.repeat(100_000))],
  ['subjects of a megabyte', mail(`Subject: ${'=?utf-8?q?=41?= '.repeat(MEGABYTE / 16)}`, '', '')],
  ['From fields of a megabyte', mail(`From: ${'"a" <b@c>,'.repeat(MEGABYTE / 10)}`, '', '')],
  ['Content-Types of a megabyte', mail(`Content-Type: a/b${"; x*0*=utf-8''%41".repeat(MEGABYTE / 16)}`, '', '')],
  ['References of a megabyte', mail(`References: ${'<>'.repeat(MEGABYTE / 2)}`, '', '')],
  ['References of brackets', mail(`References: ${'<'.repeat(MEGABYTE / 2)}${'>'.repeat(MEGABYTE / 2)}`, '', '')],
  ['dates of a megabyte', mail(`Date: ${'1 '.repeat(MEGABYTE / 2)}`, '', '')],
  [
    'flowed text of a megabyte',
    mail(
      'Content-Type: text/plain; format=flowed',
      '',
      '> '.repeat(MEGABYTE / 2),
      'a \n'.repeat(MEGABYTE / 3),
      '>\n'.repeat(MEGABYTE / 2),
    ),
  ],
  ['line breaks', Buffer.alloc(4 * MEGABYTE, '\n')],
  ['trailing line breaks in text', mail('', `x${'\n'.repeat(4 * MEGABYTE)}`)],
])('%s are parsed in bounded time', (label, raw) => {
  const parsed = expectBounded(() => parseMessage(raw, { ...LIMITS, headerBytesMax: 2 * MEGABYTE }))
  expectStorable(raw, parsed, label)
})
