import { expect, test } from 'vitest'
import { replaceEach, TextBuilder, withLineBreaks } from '../../../src/formats/mime/text-builder.ts'
import { seededRandom } from '../random.ts'

test('text of many pieces contains all of them, in order', () => {
  const pieces = Array.from({ length: 10_000 }, (_, index) => `${index},`)
  const text = new TextBuilder()
  for (const piece of pieces) text.add(piece)
  expect(text.toString()).toBe(pieces.join(''))
  expect(new TextBuilder().toString()).toBe('')
})

test('replaceEach and withLineBreaks return the same as replaceAll and a regular expression', () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const random = seededRandom(seed)
    const text = Array.from({ length: random.below(30) }, () =>
      random.pick(['\r', '\n', '\r\n', '\0', 'a', '😀', '$&']),
    ).join('')
    for (const [search, replacement] of [
      ['\r\n', '\n'],
      ['\0', ''],
      ['a', '$1$&'],
    ] as const)
      expect(replaceEach(text, search, replacement), `seed ${seed}`).toBe(text.replaceAll(search, () => replacement))
    for (const lineBreak of ['\r\n', '<br>\n'] as const)
      expect(withLineBreaks(text, lineBreak), `seed ${seed}`).toBe(text.replace(/\r\n?|\n/g, lineBreak))
  }
})
