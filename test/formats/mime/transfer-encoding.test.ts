import { describe, expect, test } from 'vitest'
import { decodeBytes, decodePart, decodePartStream } from '../../../src/formats/mime/transfer-encoding.ts'
import { expectBounded } from '../bounded.ts'
import { seededRandom } from '../random.ts'

const decode = (encoding: string, text: string) => decodeBytes(Buffer.from(text, 'latin1'), encoding).toString('latin1')

describe('quoted-printable', () => {
  test.each([
    ['escapes', 'a=3Db=C3=BC', 'a=b\xc3\xbc'],
    ['lower-case escapes', '=c3=bc', '\xc3\xbc'],
    ['soft line breaks', 'a=\r\nb=\nc', 'abc'],
    ['a padded soft break', 'a=  \t\r\nb', 'ab'],
    ['white space at the end of a line', 'a \t\r\nb  \n', 'a\r\nb\n'],
    ['white space before a soft break', 'a =\r\nb', 'a b'],
    ['an escaped space at the end', 'a=20\r\n', 'a \r\n'],
    ['a "=" without an escape', 'a=zz=4', 'a=zz=4'],
    ['a soft break at the end', 'a=', 'a'],
    ['a truncated escape', 'a=4', 'a=4'],
    ['white space only', '   ', ''],
    ['a lone CR', 'a\rb', 'a\rb'],
  ])('decodes %s', (_, encoded, decoded) => {
    expect(decode('quoted-printable', encoded)).toBe(decoded)
  })
})

describe('base64', () => {
  test.each([
    ['line breaks', 'QUJD\r\nREVG\r\n', 'ABCDEF'],
    ['padding', 'QQ==', 'A'],
    ['no padding', 'QQ', 'A'],
    ['concatenated pieces', 'QQ==QkM=\r\nREVG', 'ABCDEF'],
    ['invalid characters', 'QU*J!D', 'ABC'],
    ['bytes above 127', 'QU\xe9JD', 'ABC'],
    ['a NUL', 'QU\0JD', 'ABC'],
    ['empty input', '', ''],
    ['only padding', '====', ''],
  ])('decodes %s', (_, encoded, decoded) => {
    expect(decode('base64', encoded)).toBe(decoded)
  })
})

test.each(['7bit', '8bit', 'binary', 'x-unknown', ''])('the encoding %j leaves bytes unchanged', (encoding) => {
  expect(decode(encoding, 'a=3D\0\xff')).toBe('a=3D\0\xff')
})

test('a part that exceeds the message is cut at its end', () => {
  expect(decodePart(Buffer.from('QUJD'), { offset: 2, length: 100, encoding: '7bit' }).toString()).toBe('JD')
  expect(decodePart(Buffer.from('QUJD'), { offset: 99, length: 100, encoding: 'base64' })).toHaveLength(0)
})

test('a stream gives the same bytes as a buffer, wherever it is split', async () => {
  const random = seededRandom(4)
  const pieces = ['QUJD', '==', '\r\n', ' ', '=3D', '=\r\n', '=', 'Zg', '\t', '=\n', 'x', '\xff']
  for (let i = 0; i < 2000; i++) {
    const text = Array.from({ length: random.below(25) }, () => random.pick(pieces)).join('')
    const bytes = Buffer.from(text, 'latin1')
    const encoding = random.pick(['base64', 'quoted-printable', '8bit'])
    const chunks: Buffer[] = []
    for await (const chunk of decodePartStream(cutAnywhere(bytes, random.below), encoding)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString('latin1'), JSON.stringify([encoding, text])).toBe(decode(encoding, text))
  }
})

test('so does one with lines that are too long to be buffered', async () => {
  const random = seededRandom(5)
  const pieces = [' ', ' ', 'a', '\t', '\r', '=3D', '=', '=4', '=20', '=\r\n', '=  \r\n']
  for (let i = 0; i < 6; i++) {
    const line = () => Array.from({ length: 80_000 }, () => random.pick(pieces.slice(0, 9))).join('')
    const bytes = Buffer.from(`${line()}${random.pick(pieces)}\r\n${line()}${random.pick(pieces)}\n${line()}`)
    const chunks: Buffer[] = []
    const source = cutEvenly(bytes, 60_000 + random.below(10_000))
    for await (const chunk of decodePartStream(source, 'quoted-printable')) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(decodeBytes(bytes, 'quoted-printable')), `round ${i}`).toBe(true)
  }
})

test('white space that is too long to be buffered is text', async () => {
  for (const padding of [' ', '\t', ' \r']) {
    const text = `a=${padding.repeat(200_000)}b`
    const chunks: Buffer[] = []
    for await (const chunk of decodePartStream(cutEvenly(Buffer.from(text), 8192), 'quoted-printable')) {
      expect(chunk.length).toBeLessThan(100_000)
      chunks.push(chunk)
    }
    expect(Buffer.concat(chunks).toString() === text, JSON.stringify(padding)).toBe(true)
  }
})

test('a stream without line breaks is passed on without buffering', async () => {
  const line = Buffer.alloc(1024 * 1024, 'a')
  let largest = 0
  for await (const chunk of decodePartStream(cutEvenly(line, 4096), 'quoted-printable'))
    largest = Math.max(largest, chunk.length)
  expect(largest).toBeLessThan(100_000)
})

test.each(['=', '= ', ' ', '=\r', 'A=', '=\n'])('a megabyte of %j is decoded in bounded time', (piece) => {
  const bytes = Buffer.from(piece.repeat(1_000_000 / piece.length))
  expectBounded(() => {
    decodeBytes(bytes, 'base64')
    decodeBytes(bytes, 'quoted-printable')
  })
})

async function* cutAnywhere(bytes: Buffer, below: (limit: number) => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + below(5)
    yield bytes.subarray(at, end)
    at = end
  }
}

async function* cutEvenly(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
