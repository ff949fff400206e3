/** Tests that the stored text of a content is what was packed, in every script, and is cut where a search stops. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { packContentText, unpackContentText } from '../../src/mail/messages/search/content-text.ts'

const ann = { name: 'Ann  Example', address: 'ann@example.test' }
const bo = { name: null, address: 'bo@example.test' }
const CHARS_MAX = 5_000

test.each([
  ['a short text', 'hello', 'hello'],
  ['a long text', 'the text of a message '.repeat(220), 'the text of a message '.repeat(220)],
  ['a long text that cannot be compressed', randomBytes(3_600).toString('base64'), undefined],
  ['white space', 'a\r\n\t b', 'a b'],
  ['Latin letters', 'Grüße, ß', 'Grüße, ß'],
  ['several scripts', 'ü 验证码 🎉 счёт', 'ü 验证码 🎉 счёт'],
  ['long text of several scripts', '验证码🎉 '.repeat(800), '验证码🎉 '.repeat(800)],
  ['half of a surrogate pair', 'x \ud800 y', 'x \ud800 y'],
  ['long text with half of a surrogate pair', 'x \udc00 y'.repeat(900), 'x \udc00 y'.repeat(900)],
  ['NUL', 'a\0b', 'a\0b'],
  ['nothing', '', ''],
])('%s is stored with the addresses', (_name, body, expected = body) => {
  const packed = packContentText({ addresses: [ann, bo], body }, CHARS_MAX)
  expect(unpackContentText(packed)).toEqual({
    addresses: 'Ann Example ann@example.test bo@example.test',
    body: expected,
  })
})

test('text and addresses are cut, each to the limit', () => {
  const packed = packContentText({ addresses: [ann, bo], body: 'x'.repeat(60) }, 40)
  expect(unpackContentText(packed)).toEqual({
    addresses: 'Ann Example ann@example.test bo@exampl',
    body: 'x'.repeat(40),
  })
})

test('a long text takes about half of its size; a content that is not parsed has no text', () => {
  const words = Array.from({ length: 1_000 }, (_, at) => `word${(at * 7919) % 1_000}`).join(' ')
  expect(packContentText({ addresses: [ann], body: words }, words.length).length).toBeLessThan(words.length * 0.6)
  expect(unpackContentText(null)).toEqual({ addresses: '', body: '' })
})
