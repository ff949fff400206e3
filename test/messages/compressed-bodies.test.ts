/** Tests the stored form of bodies: its size is known, and the header can be read alone. */
import { expect, test } from 'vitest'
import {
  type Bodies,
  compressBodies,
  decompressBodies,
  decompressHead,
  decompressInSteps,
  decompressText,
} from '../../src/mail/messages/content/compressed-bodies.ts'
import { fill } from '../formats/linear.ts'

const headers: Bodies['headers'] = [
  ['Subject', 'grüße \u0001'],
  ['X', 'y'],
]
const small: Bodies = { headers, text: 'hello', html: '<p>hello</p>' }
/** Surrogate pairs and escapes at every position of a piece's border. */
const large: Bodies = {
  headers,
  text: fill('x😀"\\\u0001é\n', 300_000),
  html: `${'x'.repeat(65_535)}😀`,
  extractedText: 'x',
}

test.each([small, large])('bodies are read back unchanged, and their size is that of their JSON', async (bodies) => {
  const compressed = compressBodies(bodies)
  expect(compressed.sizeBytes).toBe(Buffer.byteLength(JSON.stringify(bodies)))
  expect(decompressBodies(compressed.bytes)).toEqual(bodies)
  let turns = 0
  const nextTurn = async () => {
    turns += 1
  }
  expect(await decompressInSteps(compressed, nextTurn)).toEqual(bodies)
  expect(turns).toBe(3)
})

test('the header of a large message is read without its bodies', () => {
  expect(compressBodies(small).headBytes).toBe(0) // it is read as a whole
  const { bytes, headBytes } = compressBodies(large)
  expect(headBytes).toBeLessThan(100)
  const sizeBytes = Buffer.byteLength(`{"headers":${JSON.stringify(headers)}`)
  expect(decompressHead(bytes.subarray(0, headBytes))).toEqual({ bodies: { headers }, sizeBytes })
})

test.each([
  ['text', { text: 'hello' }, 'hello'],
  ['the text of HTML', { html: '<p>x</p>', textFromHtml: 'x' }, 'x'],
  ['a text beside HTML that contains the name of a member', { html: ',"text":"no"', text: 'yes' }, 'yes'],
  ['quotes and backslashes at the end', { text: 'a "b" \\"c\\\\"' }, 'a "b" \\"c\\\\"'],
  ['a text that ends with backslashes', { text: 'a\\\\\\', html: '"' }, 'a\\\\\\'],
  ['half of a surrogate pair, and other scripts', { text: 'ü \ud800 验证码 🎉\u0000\n' }, 'ü \ud800 验证码 🎉\u0000\n'],
  ['an empty text', { text: '', html: '<p>x</p>' }, ''],
  ['nothing', {}, ''],
])('only the text is parsed: %s', (_name, texts, expected) => {
  const headers = [
    ['text', ',"text":"header"'],
    ['Subject', '"text":"x"'],
  ] as const
  const { bytes, sizeBytes } = compressBodies({ headers, isTruncated: true, ...texts })
  expect(decompressText(bytes, sizeBytes)).toBe(expected)
})
