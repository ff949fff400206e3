import iconv from 'iconv-lite'
import { describe, expect, test } from 'vitest'
import { decodeCharset } from '../../../src/formats/mime/charset.ts'
import { expectBounded } from '../bounded.ts'
import { seededRandom } from '../random.ts'

/** [label, bytes in hex, text]; the bytes are from the tables of the charsets. */
const TABLE: readonly [charset: string, hex: string, text: string][] = [
  ['utf-8', 'e4bda0e5a5bd', '你好'],
  ['UTF8', 'c3bc', 'ü'],
  ['gb18030', 'c4e3bac39439da33', '你好💩'],
  ['gb2312', 'c4e3bac3', '你好'],
  ['big5', 'a741a66e', '你好'],
  ['shift_jis', '82b182f182c982bf82cd', 'こんにちは'],
  ['euc-jp', 'a4b3a4f3', 'こん'],
  ['iso-2022-jp', '1b2442243324731b2842', 'こん'],
  ['euc-kr', 'bec8b3e7', '안녕'],
  ['ks_c_5601-1987', 'bec8b3e7', '안녕'],
  ['koi8-r', 'f0d2c9d7c5d4', 'Привет'],
  ['windows-1251', 'cff0e8e2e5f2', 'Привет'],
  ['windows-1250', '8aef', 'Šď'],
  ['windows-1252', '80939491', '€“”‘'],
  ['windows-1253', 'c1c2', 'ΑΒ'],
  ['windows-1254', 'dde0', 'İà'],
  ['windows-1255', 'f9ec', 'של'],
  ['windows-1256', 'e3d1', 'مر'],
  ['windows-1257', 'e0', 'ą'],
  ['windows-1258', 'd0', 'Đ'],
  ['iso-8859-1', 'e4', 'ä'],
  ['iso-8859-1', '80', '€'], // windows-1252 with the wrong name
  ['iso-8859-15', 'a4', '€'],
  ['iso-8859-2', 'b1', 'ą'],
  ['macintosh', '8a', 'ä'],
  ['cp850', '84', 'ä'],
  ['utf-7', '2b414f512d', 'ä'],
  ['utf-16le', 'e400', 'ä'],
  ['utf-16', 'feff00e4', 'ä'],
  ['tis-620', 'a1', 'ก'],
  ['utf-8*en', 'c3bc', 'ü'],
]

test.each(TABLE)('%s %s is decoded to %s', (charset, hex, text) => {
  expect(decodeCharset(Buffer.from(hex, 'hex'), charset)).toBe(text)
})

describe('a missing or wrong label', () => {
  test.each([
    undefined,
    '',
    'us-ascii',
    'x-user-defined-nonsense',
    'unknown-8bit',
    'base64',
    'Base-64',
    'hex',
    'utf-8',
    '__proto__',
    'constructor',
  ])('%s is read as UTF-8 if the bytes are UTF-8, otherwise as windows-1252', (charset) => {
    expect(decodeCharset(Buffer.from('grüße'), charset)).toBe('grüße')
    expect(decodeCharset(Buffer.from('gr\xfc\xdfe', 'latin1'), charset)).toBe('grüße')
  })
})

test('NULs and lone surrogates are removed', () => {
  expect(decodeCharset(Buffer.from('a\0b'))).toBe('ab')
  expect(decodeCharset(Buffer.from('00d841', 'hex'), 'utf-16le')).not.toMatch(/[\ud800-\udfff]/)
  expect(decodeCharset(Buffer.from('00d841', 'hex'), 'utf_16le')).not.toMatch(/[\ud800-\udfff]/)
  expect(decodeCharset(Buffer.from('+2AA-', 'latin1'), 'utf-7')).not.toMatch(/[\ud800-\udfff]/)
})

test.each([
  ['A+ImIDkQ.', 'A\u2262\u0391.'], // RFC 2152, examples
  ['Hi Mom -+Jjo--!', 'Hi Mom -\u263a-!'],
  ['+ZeVnLIqe-', '日本語'],
  ['Item 3 is +AKM-1.', 'Item 3 is £1.'],
  ['1 +- 1', '1 + 1'],
])('UTF-7 %j is %j', (encoded, text) => {
  for (const label of ['utf-7', 'UTF7', 'unicode-1-1-utf-7'])
    expect(decodeCharset(Buffer.from(encoded), label)).toBe(text)
})

test('broken UTF-7 is decoded as iconv-lite decodes it', () => {
  const pieces = ['+', '-', '+-', 'AA', 'AOQ', '2D3cqQ', 'a', ' ', '\xff', '&', '=', '\0']
  for (let seed = 0; seed < 3_000; seed++) {
    const random = seededRandom(seed)
    const bytes = Buffer.from(Array.from({ length: random.below(20) }, () => random.pick(pieces)).join(''), 'latin1')
    const expected = Buffer.from(iconv.decode(bytes, 'utf-7')).toString().replaceAll('\0', '')
    expect(decodeCharset(bytes, 'utf-7'), `seed ${seed}: ${JSON.stringify(bytes.toString('latin1'))}`).toBe(expected)
  }
})

test.each(TABLE.map(([charset]) => charset))('%s decodes any bytes in bounded time', (charset) => {
  expectBounded(() => {
    for (const piece of ['\xff', '+', '\x1b$B', 'A', '\x81\xff', '~{'])
      decodeCharset(Buffer.from(piece.repeat(200_000 / piece.length), 'latin1'), charset)
  })
})
