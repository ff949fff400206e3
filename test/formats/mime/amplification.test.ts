/** Decoded data is no larger than encoded data, and decoding uses no other memory, whatever the input looks like. */
import { describe, expect, test } from 'vitest'
import { decodeCharset } from '../../../src/formats/mime/charset.ts'
import { decodeEncodedWords } from '../../../src/formats/mime/encoded-words.ts'
import { parseParameterised } from '../../../src/formats/mime/header-parameters.ts'
import { decodeBytes, decodePartStream } from '../../../src/formats/mime/transfer-encoding.ts'
import { fill } from '../linear.ts'
import { seededRandom } from '../random.ts'

const MEGABYTE = 1_000_000

describe.each(['base64', 'quoted-printable'])('%s', (encoding) => {
  // 45 MB of such lines took 7.5 s and 1.8 GB, because each line had its own buffer.
  test.each(['YQ==\r\n', '=\r\n', '=41', '\xff'])('%j', async (piece) => {
    for (const size of [MEGABYTE, 10 * MEGABYTE]) {
      const encoded = Buffer.from(fill(piece, size), 'latin1')
      const before = process.memoryUsage()
      const decoded = decodeBytes(encoded, encoding)
      const after = process.memoryUsage()
      expect(decoded.length).toBeLessThanOrEqual(encoded.length)
      expect(decoded.buffer.byteLength).toBeLessThanOrEqual(encoded.length)
      expect(after.arrayBuffers - before.arrayBuffers).toBeLessThanOrEqual(encoded.length)
      expect(after.heapUsed - before.heapUsed).toBeLessThan(MEGABYTE)
    }
  })
})

test('a stream of one-byte pieces gives one buffer per chunk', async () => {
  const encoded = Buffer.from(fill('YQ==\r\n', MEGABYTE))
  let chunks = 0
  let bytes = 0
  for await (const decoded of decodePartStream(chunksOf(encoded), 'base64')) {
    chunks += 1
    bytes += decoded.length
  }
  expect(chunks).toBe(Math.ceil(encoded.length / 65_536))
  expect(bytes).toBe(encoded.length / 6)
})

const CHARSETS = [
  ...[
    '',
    'utf-8',
    'utf-7',
    'unicode-1-1-utf-7',
    'utf7',
    'utf-7-imap',
    'cesu-8',
    'utf-16',
    'utf-16le',
    'utf-16be',
    'utf-32',
  ],
  ...[
    'ucs-2',
    'ucs-4',
    'iso-2022-jp',
    'gb18030',
    'gb2312',
    'big5',
    'big5-hkscs',
    'shift_jis',
    'euc-jp',
    'euc-kr',
    'cp949',
  ],
  ...['windows-1252', 'windows-1258', 'iso-8859-8-i', 'koi8-r', 'macroman', 'tcvn', 'hex', 'base64', 'x-no-such'],
]
/** Used between random bytes: each of these has a special meaning in one of the charsets. */
const BYTES = [
  '+',
  '+-',
  '+AA',
  '+2AA-',
  '&AAA-',
  '\x1b$B',
  '\x1b(B',
  '\xff\xfe',
  '\xfe\xff',
  '\x81\x30',
  '\x88\x62',
  '\xd8\0',
  'a',
]

test.each(CHARSETS)('charset "%s": no more characters than bytes', (charset) => {
  for (let seed = 0; seed < 100; seed++) {
    const random = seededRandom(seed)
    const pieces = Array.from({ length: 40 }, () =>
      random.below(2) === 0 ? random.bytes(3) : Buffer.from(random.pick(BYTES), 'latin1'),
    )
    const bytes = Buffer.concat(pieces)
    // One more: in some charsets, an incomplete character at the end becomes a replacement character.
    expect(decodeCharset(bytes, charset).length, `seed ${seed}`).toBeLessThanOrEqual(bytes.length + 1)
  }
})

test('decoded words and parameters are no longer than their encoded form', () => {
  const pieces = [
    ...[
      '=?utf-7?q?',
      '=?utf-8?b?',
      '=?gb18030?q?',
      '=?windows-1252?q?',
      '?=',
      ' ',
      'YQ==',
      '=C3',
      '_',
      '+AA',
      'é',
      '好',
      '"',
    ],
    ...[
      '; x*0*=',
      "utf-8''",
      "windows-1252''",
      "utf-16''",
      '; x*1*=',
      '; x*2=',
      '; y=',
      '%C3',
      '%',
      "'",
      '\\',
      '(',
      ')',
    ],
  ]
  for (let seed = 0; seed < 1_000; seed++) {
    const random = seededRandom(seed)
    const text = Array.from({ length: random.below(60) }, () => random.pick(pieces)).join('')
    const bytes = Buffer.byteLength(text)
    expect(decodeEncodedWords(text).length, `seed ${seed}: ${text}`).toBeLessThanOrEqual(bytes)
    const values = [...parseParameterised(text).parameters.values()]
    expect(values.join('').length, `seed ${seed}: ${text}`).toBeLessThanOrEqual(bytes)
  }
})

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}
