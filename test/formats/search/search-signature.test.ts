/** Tests that a signature has every bit of every text that its texts contain: else a search would miss a message. */
import { expect, test } from 'vitest'
import { hasBits, queryBits, signatureOf } from '../../../src/formats/search/search-signature.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const UNITS = [...'abcde xyz.@', 'é', 'ß', 'я', '验', '证', '码', '가', 'あ', '\u2e80', '\ud83c', '\udf89', '\uffff']

test('the bits of each part of a text are in its signature', () => {
  const random = seededRandom(1)
  const textOf = (length: number) => Array.from({ length }, () => UNITS[Math.floor(random() * UNITS.length)]).join('')
  for (let round = 0; round < 200; round += 1) {
    const texts = [textOf(Math.floor(random() * 60)), textOf(Math.floor(random() * 60))]
    const signature = signatureOf(texts)
    for (const text of texts) {
      for (let start = 0; start < text.length; start += 1) {
        const part = text.slice(start, start + 1 + Math.floor(random() * 20))
        expect(hasBits(signature, queryBits([part])), JSON.stringify({ text, part })).toBe(true)
      }
    }
  }
})

test('two letters have no bit, two ideographs and three letters have one', () => {
  expect([queryBits(['ab']), queryBits(['a']), queryBits([''])]).toEqual([[], [], []])
  expect([queryBits(['验证']).length, queryBits(['abc']).length]).toEqual([1, 1])
})

test('the texts of a signature are apart: none begins in one and ends in the next', () => {
  expect(hasBits(signatureOf(['one two', 'three']), queryBits(['twothree']))).toBe(false)
})
