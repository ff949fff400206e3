import { expect, test } from 'vitest'
import { FieldFilter } from '../../../src/formats/mime/field-filter.ts'
import { readHeaderBlock } from '../../../src/formats/mime/header-fields.ts'
import { expectBounded } from '../bounded.ts'
import { fill } from '../linear.ts'

const NAME = 'authentication-results'

/** @param chunkBytes as the message is read */
function filter(mail: string, chunkBytes = mail.length): string {
  const bytes = Buffer.from(mail)
  const fields = new FieldFilter(NAME, readHeaderBlock(bytes, 0, 10).end)
  const kept: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Uint8Array.from(bytes.subarray(at, at + chunkBytes))
    kept.push(Buffer.from(fields.write(chunk)))
    chunk.fill(0) // it may be used again
  }
  return Buffer.concat([...kept, fields.end()]).toString()
}

const BODY = '\r\nAuthentication-Results: body\r\n'

test.each([1, 2, 7, 22, 23, 24, 100, 10_000])('fields of one name are left out of chunks of %i bytes', (chunkBytes) => {
  const removed = [
    'AUTHENTICATION-RESULTS : mx.test;\n spf=pass\n\tx\n',
    'Authentication-Results:\r\n',
    `${NAME}\t:a\n`,
  ]
  const kept = [
    'X-Authentication-Results: a\r\n',
    'Authentication-Results-X: a\r\n',
    'Subject: a\r\n Authentication-Results: a\r\n',
    'Authentication-Result: a\r\n',
    'Arc-Authentication-Results: a\r\n',
    'a:\r\n',
  ]
  const fields = kept.flatMap((field) => removed.flatMap((other) => [field, other, other]))
  const mail = `${fields.join('')}a:b\r\n${BODY}`
  expect(filter(mail, chunkBytes)).toBe(`${fields.filter((each) => kept.includes(each)).join('')}a:b\r\n${BODY}`)
})

test.each([
  ['first', `${NAME}: a\r\n`, ''],
  ['last', `a: b\r\n${NAME}: a\r\n c\r\n`, 'a: b\r\n'],
])('a field that is %s is left out, with and without a body', (_where, header, kept) => {
  for (const chunkBytes of [1, 23, 1_000]) {
    expect(filter(`${header}${BODY}`, chunkBytes)).toBe(`${kept}${BODY}`)
    expect(filter(header, chunkBytes)).toBe(kept)
  }
})

test('a message that ends too early is kept', () => {
  const fields = new FieldFilter(NAME, 1_000)
  expect(`${fields.write(Buffer.from('a: b\r\nAuth'))}${fields.end()}`).toBe('a: b\r\nAuth')
})

test.each([
  ['short fields', 'a:\n'],
  ['fields to leave out', `${NAME}:\n`],
  ['both', `${NAME}:\na:\n`],
  ['a line without an end', NAME],
  ['a name with white space', `${NAME}${' '.repeat(1_000)}`],
])('a header of a million bytes takes linear time: %s', (_what, piece) => {
  const mail = `a:b\n${fill(piece, 1_000_000)}\n\nbody`
  for (const chunkBytes of [100, 65_536]) expectBounded(() => filter(mail, chunkBytes))
})
