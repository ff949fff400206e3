/** Tests that a body ends where its JSON would exceed a limit, whatever characters it contains. */
import { expect, test } from 'vitest'
import { cutToJsonBytes } from '../../../src/formats/mime/body-size.ts'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { seededRandom } from '../random.ts'
import { LIMITS } from '../sample-messages.ts'

const CHARACTERS = [
  'x',
  '"',
  '\\',
  '\n',
  '\t',
  '\b',
  '\v',
  '\u0001',
  '\u007f',
  'é',
  '好',
  '\u2028',
  '😀',
  '\ud83d',
  '\ude00',
]

const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2

test('a body is cut at the last whole character that fits', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seededRandom(seed)
    const text = Array.from({ length: 40 }, () => random.pick(CHARACTERS)).join('')
    const bytesMax = random.below(jsonBytes(text) + 10)
    const cut = cutToJsonBytes(text, bytesMax)
    expect(text.startsWith(cut), `seed ${seed}`).toBe(true)
    expect(jsonBytes(cut), `seed ${seed}`).toBeLessThanOrEqual(bytesMax)
    const rest = text.slice(cut.length)
    const next = String.fromCodePoint(rest.codePointAt(0) ?? 0x78)
    if (rest !== '') expect(jsonBytes(cut + next), `seed ${seed}`).toBeGreaterThan(bytesMax)
    const isSplit = /[\ud800-\udbff]$/.test(cut) && /^[\udc00-\udfff]/.test(rest)
    expect(isSplit, `seed ${seed}`).toBe(false)
  }
})

test('text and HTML of a message are bounded by what they cost in JSON', () => {
  const parse = (text: string, bodyJsonBytesMax: number) => {
    const parts = ['plain', 'html'].map((type) => `--b\r\nContent-Type: text/${type}; charset=utf-8\r\n\r\n${text}\r\n`)
    const raw = `Content-Type: multipart/alternative; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`
    return parseMessage(Buffer.from(raw), { ...LIMITS, bodyJsonBytesMax })
  }
  const cut = '\u0001'.repeat(100)
  expect(parse('\u0001'.repeat(500), 600)).toMatchObject({ text: cut, html: cut, truncated: true })
  expect(parse('x'.repeat(500), 600)).toMatchObject({ text: 'x'.repeat(500), truncated: false })
})

test('the limit of a body is one for all parts that it consists of', () => {
  const parts = ['first', 'second', 'third'].map((text) => `--b\r\nContent-Type: text/plain\r\n\r\n${text}\r\n`)
  const raw = Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('')}--b--\r\n`)
  const parse = (bodyBytesMax: number) => parseMessage(raw, { ...LIMITS, bodyBytesMax })
  expect(parse(16)).toMatchObject({ text: 'first\nsecond\nthird', truncated: false })
  expect(parse(9)).toMatchObject({ text: 'first\nseco', truncated: true })
})
