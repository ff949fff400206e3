import { expect, test } from 'vitest'
import { unflow } from '../../../src/formats/mime/flowed-text.ts'

test.each([
  ['a paragraph', 'one \ntwo \nthree\nfour', false, 'one two three\nfour'],
  ['DelSp', '你 \n好', true, '你好'],
  ['stuffing', ' From here\n  two', false, 'From here\n two'],
  ['a signature', 'text \n-- \nAnn', false, 'text \n-- \nAnn'],
  ['quotes', '> one \n> two\n>> deep \n> shallow', false, '> one two\n>> deep \n> shallow'],
  ['a quote that ends in a flowed line', '> one \nown', false, '> one \nown'],
  ['a flowed last line', 'one ', false, 'one '],
  ['empty lines', 'a\n\nb', false, 'a\n\nb'],
])('unflow handles %s', (_, text, delSp, expected) => {
  expect(unflow(text, delSp)).toBe(expected)
})
