/**
 * Decoding of DATA: a table of cases, and a comparison with a reference that works on the whole input. However the
 * bytes are split, the result must be the same. The splits come from a seeded generator, so that a failure can be
 * repeated.
 */
import { describe, expect, test } from 'vitest'
import { DataDecoder } from '../../src/edges/smtp/protocol/data-decoder.ts'

interface Result {
  content: string
  rest: string | undefined
}

function decode(chunks: readonly string[]): Result {
  const decoder = new DataDecoder()
  let content = ''
  for (const [index, chunk] of chunks.entries()) {
    const decoded = decoder.decode(Buffer.from(chunk, 'latin1'))
    content += decoded.data.toString('latin1')
    if (decoded.rest) return { content, rest: decoded.rest.toString('latin1') + chunks.slice(index + 1).join('') }
  }
  return { content, rest: undefined }
}

/** Implements RFC 5321 §4.1.1.4 and §4.5.2 literally, then makes bare LF CRLF. Only for input with an end mark. */
function reference(input: string): Result {
  const end = `\r\n${input}`.indexOf('\r\n.\r\n')
  const content = input.slice(0, end)
  const unstuffed = `\r\n${content}`.replaceAll('\r\n.', '\r\n').slice(2)
  return { content: unstuffed.replace(/(?<!\r)\n/g, '\r\n'), rest: input.slice(end + 3) }
}

const table: [string, string, string, string | undefined][] = [
  ['an empty message', '.\r\n', '', ''],
  ['one line', 'a\r\n.\r\n', 'a\r\n', ''],
  ['commands after the end are returned', 'a\r\n.\r\nQUIT\r\n', 'a\r\n', 'QUIT\r\n'],
  ['a stuffed dot', '..\r\n.\r\n', '.\r\n', ''],
  ['a stuffed dot, only the first of the line', '...a..b\r\n.\r\n', '..a..b\r\n', ''],
  ['a dot that should have been stuffed', '.a\r\n.\r\n', 'a\r\n', ''],
  ['a dot inside a line', 'a.\r\nb.c\r\n.\r\n', 'a.\r\nb.c\r\n', ''],
  ['bare LF becomes CRLF', 'a\nb\n\nc\r\n.\r\n', 'a\r\nb\r\n\r\nc\r\n', ''],
  ['a dot after a bare LF stays', 'a\n.b\n..c\r\n.\r\n', 'a\r\n.b\r\n..c\r\n', ''],
  ['a bare CR stays', 'a\rb\r\r\nc\r\n.\r\n', 'a\rb\r\r\nc\r\n', ''],
  ['LF . LF does not end', 'a\n.\nb', 'a\r\n.\r\nb', undefined],
  ['LF . CRLF does not end', 'a\n.\r\nb', 'a\r\n.\r\nb', undefined],
  ['CRLF . LF does not end', 'a\r\n.\nb', 'a\r\n\r\nb', undefined],
  ['CRLF . CR does not end', 'a\r\n.\rb', 'a\r\n\rb', undefined],
  ['CR . CR does not end', 'a\r.\rb', 'a\r.\rb', undefined],
  ['CR . CRLF does not end', 'a\r.\r\nb', 'a\r.\r\nb', undefined],
  ['CRLF NUL . CRLF does not end', 'a\r\n\0.\r\nb', 'a\r\n\0.\r\nb', undefined],
  ['CRLF . CR CR LF does not end', 'a\r\n.\r\r\nb', 'a\r\n\r\r\nb', undefined],
  ['the end after CR CR LF', 'a\r\r\n.\r\n', 'a\r\r\n', ''],
]

describe('decodes in one chunk and byte by byte', () => {
  test.each(table)('%s', (_name, input, content, rest) => {
    expect(decode([input])).toEqual({ content, rest })
    expect(decode([...input])).toEqual({ content, rest })
  })
})

test('random input, split anywhere, is decoded like the reference', () => {
  const random = seeded(20231218)
  const alphabet = ['\r', '\n', '.', '\r\n', '\r\n.', 'a', '\0', 'é']
  for (let round = 0; round < 5_000; round++) {
    const pieces = Array.from({ length: random(14) }, () => alphabet[random(alphabet.length)]!)
    const input = `${pieces.join('')}\r\n.\r\nNOOP\r\n`
    const cut = random(input.length)
    const again = cut + random(input.length - cut)
    const chunks = [input.slice(0, cut), input.slice(cut, again), input.slice(again)]
    expect(decode(chunks), JSON.stringify(chunks)).toEqual(reference(input))
  }
})

/** A small linear congruential generator: `random(n)` is 0 … n-1. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
