/** Tests what counts as the start of a word. */
import { expect, test } from 'vitest'
import { startWords } from '../../../src/formats/search/word-starts.ts'

test.each([
  ['ann@mail.test ann example', 'ann', true],
  ['ann@mail.test ann example', 'exam mail', true],
  ['joann@mail.test', 'ann', false],
  ['joann@mail.test ann', 'ann', true],
  ['ann@mail.test', '@mail', true],
  ['ann@mail.test', 'n@mail', false],
  ['ann_b-c.d+e@mail.test', 'b c d e', true],
  ['agent7@mail.test', '7', false],
  ['x 客服中心', '中心', true],
  ['x 客服中心', '心中', false],
  ['x über', 'über', true],
  ['x 🎉party', 'party', true],
  ['x 𝒜nn', 'nn', false],
  ['x cafe\u0301s', 's', false],
  ['', 'a', false],
])('the words of %j begin with those of %j: %s', (text, words, expected) => {
  expect(startWords(text, words.split(' '))).toBe(expected)
})
