/** Tests which headers of mail programs are refused because two programs could read different authors in them. */
import { expect, test } from 'vitest'
import { readSubmittedHeader } from '../../../src/formats/mime/submitted-header.ts'
import { expectLinear } from '../linear.ts'

const own = 'ada@mail.test'
const read = (header: string) => readSubmittedHeader(Buffer.from(`${header}\r\n\r\n`, 'latin1'))
const readFrom = (from: string) => {
  const header = read(`From: ${from}`)
  return typeof header === 'string' ? 'refused' : header.author
}

test.each([
  own,
  `<${own}>`,
  `Ada Lovelace <${own}>`,
  `"Lovelace, Ada" <${own}>`,
  `"eve@evil.test (\\"x\\")" <${own}>`,
  `Ada\r\n <${own}>`,
  `${own} (Ada (of London))`,
  `Ada (with a " in a comment) <${own}>`,
  `${own} <${own}>`,
  `=?utf-8?q?=41da=2C?= <${own}>`,
  `\xc3\x84da <${own}>`,
])('From: %j has one author', (from) => {
  expect(readFrom(from)).toBe(own)
})

test.each([
  `<${own}> eve@evil.test`,
  `eve@evil.test <${own}>`,
  `<${own}> Eve`,
  `(" ) us: ${own}; (")`,
  `(" ) eve@evil.test <${own}> (")`,
  `=?utf-8?q?Eve_=3Cada=40mail.test=3E?=`,
  `Ada ${own} Eve`,
  `<${own}`,
  `${own}>`,
  `mailto:${own}`,
  `'${own}'`,
  `${own}.`,
  `ada @ mail.test`,
  `Ada \x1b$B"<\x1b(B <${own}>`,
  `"Ada\x81\\" <${own}>`, // in Shift_JIS, the backslash is a part of a character
  `"Ada\x81\\\\" <${own}>`,
])('From: %j is refused: programs read it in different ways', (from) => {
  expect(readFrom(from)).toBe('refused')
})

test.each([
  ['open quotes', '"\\'],
  ['quoted quotes', '\\"'],
  ['open comments', '(\\'],
  ['nested comments', '('],
])('a From with many %s takes linear time', (what, part) => {
  const shape = (size: number) => Buffer.from(`From: <${own}> ${part.repeat(size / part.length)}\r\n\r\n`)
  expectLinear(what, shape, readSubmittedHeader)
})
