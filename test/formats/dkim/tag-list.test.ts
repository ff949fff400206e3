/** Tag lists of strangers, some of which are read on the event loop. What they mean: test/receiving/authentication/. */
import { expect, test } from 'vitest'
import { parseTagList, readTags, splitValues } from '../../../src/formats/dkim/tag-list.ts'
import { expectBounded } from '../bounded.ts'

test('white space around names and values is removed; that of UTF-8 characters is not', () => {
  expect([...parseTagList('\r\n a = x\t;\tb=\u00a0y ; ')!]).toEqual([
    ['a', 'x'],
    ['b', '\u00a0y'],
  ])
  expect(splitValues(' from :\tto')).toEqual(['from', 'to'])
})

test('one mistake makes a list of DKIM invalid; of one of DMARC, the rest counts', () => {
  for (const text of ['a=1;;b=2', 'a=1; ;b=2', 'a=1;x;b=2', 'a=1;=x;b=2', 'a=1;9=x;b=2', 'a=1;b=2;a=3', ';a=1;b=2']) {
    expect(parseTagList(text), text).toBeUndefined()
    expect([...readTags(text)], text).toEqual([
      ['a', '1'],
      ['b', '2'],
    ])
  }
})

test('long white space takes linear time', () => {
  const spaces = ' '.repeat(100_000)
  expectBounded(() => {
    parseTagList(`v=1; a=x${spaces}y; ${spaces}b${spaces}=${spaces}z${spaces}`)
    readTags(`${spaces};;a${spaces};`)
    splitValues(`a${spaces}b:${spaces}:`)
  }, 5_000) // in quadratic time: more than 20 s
})
