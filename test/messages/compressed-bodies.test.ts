/** Tests the stored form of bodies: its size is known, and the header can be read alone. */
import { inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import {
  type Bodies,
  compressBodies,
  DECODED,
  decompressBodies,
  decompressHead,
  decompressText,
  ENCODED,
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

/** All text is new: it is stored once. */
const allNew: Bodies = {
  headers,
  text: 'é\n"hello"',
  html: '<p>hello</p>',
  extractedText: 'é\n"hello"',
  extractedHtml: '<p>hello</p>',
}
const allNewOfHtml: Bodies = {
  headers,
  html: '<p>é</p>',
  textFromHtml: 'é',
  extractedText: 'é',
  extractedHtml: '<p>é</p>',
}
const largeNew: Bodies = { ...large, extractedText: large.text!, extractedHtml: large.html! }
const empty: Bodies = { headers, text: '', extractedText: '' }

const read = [small, large, allNew, allNewOfHtml, largeNew, empty]
test.each(read)('bodies are read back unchanged, and their size is that of their JSON', async (bodies) => {
  const compressed = compressBodies(bodies)
  expect(compressed.sizeBytes).toBe(Buffer.byteLength(JSON.stringify(bodies)))
  expect(decompressBodies(compressed.bytes)).toEqual(bodies)
  let turns = 0
  const nextTurn = async () => {
    turns += 1
  }
  expect(await DECODED.decompressInSteps(compressed, nextTurn)).toEqual(bodies)
  expect(turns).toBe(3)
})

const ofNewText: Bodies = { headers: [], text: 'a","html":"b', isTruncated: true, extractedText: 'a","html":"b' }
/** Texts that end like the piece between two members: a line of CSV, a greeting above a quote. */
const likeMembers: Bodies[] = ['"Dear Ann",', '"x",\n\n> b', 'a\\",', 'a\\\\",'].flatMap((text) => [
  { headers: [['Subject', '"" hi']], text, html: text, extractedText: text, extractedHtml: text },
  { headers: [['S,', '""']], html: text, textFromHtml: text, extractedText: '"x",' },
  { headers, text: 'before', html: `${text}x`, extractedText: text },
])
const others: Bodies[] = [{ headers: [] }, { headers, isTruncated: true }, ofNewText, ...likeMembers]
test.each([...read, ...others, { headers, text: 'a\\', html: '\\"', extractedText: '"]]' }])(
  'texts are read as the JSON that they are stored as',
  async (bodies) => {
    const { headers, isTruncated, ...texts } = bodies
    const json = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, JSON.stringify(text)]))
    const textsOf = (encoded: ReturnType<typeof ENCODED.decompress>) =>
      Object.fromEntries(Object.entries(encoded.texts).map(([name, bytes]) => [name, bytes?.toString()]))

    const compressed = compressBodies(bodies)
    const encoded = ENCODED.decompress(compressed.bytes, compressed.sizeBytes)
    expect([encoded.headers, encoded.isTruncated, textsOf(encoded)]).toEqual([headers, isTruncated, json])
    expect(ENCODED.searchedTexts(encoded)).toEqual({ text: texts.text, html: texts.html })
    const inSteps = await ENCODED.decompressInSteps(compressed, async () => undefined)
    expect(textsOf(inSteps)).toEqual(json)
  },
)

test.each([allNew, allNewOfHtml, largeNew])('texts that are equal are stored once', (bodies) => {
  const json = inflateRawSync(compressBodies(bodies).bytes).toString()
  expect(json).not.toContain('extracted')
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
