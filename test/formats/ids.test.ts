import { describe, expect, test } from 'vitest'
import {
  findRelayId,
  isSafeInPath,
  isUuid,
  messageIdFrom,
  parseMessageIds,
  pathSafeMessageId,
  relayPart,
  trimMessageId,
  uuidv7,
} from '../../src/formats/ids.ts'
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
    ['<a/b@c>', true],
    ['<a.b/c..d/.e@f>', true],
    ['</a@b>', true],
    ['<a/../b@c>', false],
    ['<a/./b@c>', false],
    ['<a//b@c>', false],
    ['<a/../../../x@y>', false],
    ['<a?b@c>', false],
    ['<a#b@c>', false],
    ['<a%2fb@c>', false],
    ['<a\\b@c>', false],
  ])('%j is safe in a path: %j', (id, isSafe) => {
    expect(isSafeInPath(id)).toBe(isSafe)
    const path = `/inboxes/ada@x/messages/${id}/reply`
    const isKept = decodeURIComponent(new URL(`http://h${path}`).pathname) === path
    expect(isKept).toBe(isSafe || id.includes('//')) // proxies merge these
  })

  test.each([
    ['<a@b> <c@d>', ['<a@b>', '<c@d>']],
    ['<a@b><c@d>,<a@b>', ['<a@b>', '<c@d>']],
    ['Your message of Monday <a@b> (Ann)', ['<a@b>']],
    ['<<a@b>>', ['<a@b>']],
    ['<a@b', ['<a@b>']],
    ['a@b>', ['<a@b>']],
    ['<a b@c', []],
    ['<> < >', []],
    ['<ü@b>', ['<ü@b>']],
    // Ids that the RFC does not allow, as they occur.
    ['<20260601100000.7F3A2C>', ['<20260601100000.7F3A2C>']],
    ['<a@b@c>', ['<a@b@c>']],
    ['<long-left-part@   long.right.part>\t<c@ d>', ['<long-left-part@long.right.part>', '<c@d>']],
    ['a.b@c', ['<a.b@c>']],
    [' a@b,\tc@d a@b', ['<a@b>', '<c@d>']],
    ['Message of 1 June from ann@example.com', []],
    ['"Ann"@example.com (Ann)', []],
    ['20260601100000.7F3A2C', []],
    ['a@b\0c', []],
    [`<${'a'.repeat(997)}>`, []],
  ])('is found in %j', (value, ids) => {
    expect(parseMessageIds(value, 10)).toEqual(ids)
  })
})

describe('the id that a relay gives to a message', () => {
  const id = '0100018f6a3e2b1c-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-000000'

  test.each([
    [`250 Ok ${id}`, id],
    [`250 2.0.0 Ok: queued as ${id}`, id],
    [`250 accepted <${id}@email.amazonses.com>`, id],
    [`250 id=${id};`, id],
    ['250 2.0.0 Ok: queued as 4bXYZ12345', undefined],
    ['250 2.0.0 taken by relay-outgoing-number-one', undefined],
    ['250 2.0.0 Ok smtp-out-1234.prod.us-east-1.example.com', undefined],
    [`250 ${'1'.repeat(251)}`, undefined],
    ['', undefined],
  ])('is found in %j', (reply, expected) => {
    expect(findRelayId(reply)).toBe(expected)
  })

  test.each([
    [`<${id}@email.amazonses.com>`, id],
    [`<${id}@>`, id],
    [`<${id}>`, undefined],
    ['<short@example.com>', undefined],
    [`<a b ${id}@example.com>`, undefined],
  ])('may be the left part of %j', (messageId, expected) => {
    expect(relayPart(messageId)).toBe(expected)
  })
})

test('two ids never have the same form in a path, and a form is safe', () => {
  const random = seededRandom(7)
  const parts = ['~', '3F', '7E', '?', '#', '%', '/', '..', '.', 'a', '~3F~']
  const forms = new Map<string, string>()
  for (let count = 0; count < 20_000; count += 1) {
    const id = `<${Array.from({ length: 1 + random.below(6) }, () => parts[random.below(parts.length)]).join('')}>`
    const form = pathSafeMessageId(id)
    if ((forms.get(form) ?? id) !== id || !isSafeInPath(form)) expect([forms.get(form), id, form]).toEqual([])
    forms.set(form, id)
  }
  expect(pathSafeMessageId('<a/b+c~d=e@x.test>')).toBe('<a/b+c~d=e@x.test>')
})
