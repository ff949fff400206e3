import { expect, test } from 'vitest'
import { jsonText } from '../../../src/formats/mime/json-text.ts'
import { seededRandom } from '../random.ts'

const written = (text: string) => `"${Buffer.concat(jsonText(text)).toString()}"`

test('a text is written as by JSON.stringify, whatever it contains', () => {
  const random = seededRandom(3)
  const characters = [
    '\0',
    '\x1f',
    '\n',
    '\r',
    '"',
    '\\',
    'a',
    '\x7f',
    '\x80',
    'ÿ',
    'Ā',
    '\u2028',
    '\ud83d',
    '\ude00',
    '😀',
  ]
  for (let round = 0; round < 3_000; round++) {
    const text = Array.from({ length: random.below(20) }, () => random.pick(characters)).join('')
    expect(written(text), JSON.stringify(text)).toBe(JSON.stringify(text))
  }
  const everyByte = Array.from({ length: 256 }, (_, unit) => String.fromCharCode(unit)).join('')
  expect(written(everyByte)).toBe(JSON.stringify(everyByte))
})

test('a long text is the same in pieces, also where a pair of surrogates would be divided', () => {
  for (const text of ['😀', 'a😀', '\ud83d', 'a\ud83d', '\0"\\', 'é']) {
    const long = text.repeat(10_000)
    expect(written(long) === JSON.stringify(long), JSON.stringify(text)).toBe(true)
  }
})
