import { describe, expect, test } from 'vitest'
import { isUuid, messageIdFrom, parseMessageIds, trimMessageId, uuidv7 } from '../../src/formats/ids.ts'
import { seededRandom } from './random.ts'

// The example of RFC 9562 §A.6, with its rand_a and rand_b as bytes.
test('a UUIDv7 equals the example of the RFC', () => {
  expect(uuidv7(0x017f22e279b0, Buffer.from('0cc318c4dc0c0c07398f', 'hex'))).toBe(
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
  )
})

test('UUIDs sort by time, whatever their random bytes are', () => {
  const random = seededRandom(5)
  const ids = Array.from({ length: 500 }, (_, i) => uuidv7(1.7e12 + i * 977, random.bytes(10)))
  expect([...ids].sort()).toEqual(ids)
  expect(ids.every(isUuid)).toBe(true)
  expect(new Set(ids.map((id) => id[14]))).toEqual(new Set(['7']))
  expect(ids.every((id) => '89ab'.includes(id[19]!))).toBe(true)
})

test.each([
  ['017F22E2-79B0-7CC3-98C4-DC0C0C07398F', true],
  ['017f22e279b07cc398c4dc0c0c07398f', false],
  ['017f22e2-79b0-7cc3-98c4-dc0c0c07398f ', false],
  ['', false],
])('whether %j is a UUID: %j', (text, expected) => {
  expect(isUuid(text)).toBe(expected)
})

describe('a Message-ID', () => {
  test('is built from a UUID and a domain', () => {
    expect(messageIdFrom('017f22e2', 'example.com')).toBe('<017f22e2@example.com>')
  })

  test.each([
    ['<a@b>', 'a@b'],
    ['a@b', 'a@b'],
    [' < a@b > ', 'a@b'],
    ['<a@b', '<a@b'],
  ])('%j is trimmed to %j', (text, expected) => {
    expect(trimMessageId(text)).toBe(expected)
  })

  test.each([
    ['<a@b> <c@d>', ['<a@b>', '<c@d>']],
    ['<a@b><c@d>,<a@b>', ['<a@b>', '<c@d>']],
    ['Your message of Monday <a@b> (Ann)', ['<a@b>']],
    ['<<a@b>>', ['<a@b>']],
    ['<a@b', []],
    ['a@b>', []],
    ['<a@b c> <ü@b>', ['<ü@b>']],
  ])('is found in %j', (value, ids) => {
    expect(parseMessageIds(value, 10)).toEqual(ids)
  })
})
