/** Tests the fragments of search results: their marks, their length, and texts that contain marks. */
import { expect, test } from 'vitest'
import { highlight, highlightAddress } from '../../../src/formats/search/highlight.ts'
import { expectBounded } from '../bounded.ts'

const bounds = { fragmentsMax: 3, fragmentCharsMax: 60 }
const mark = (text: string, ...needles: string[]) => highlight(text, needles, bounds)

test.each([
  ['a word', 'The Invoice is here', ['invoice'], ['The **Invoice** is here']],
  ['several words', 'pay the invoice', ['invoice', 'pay'], ['**pay** the **invoice**']],
  ['words that overlap', 'invoices', ['invoice', 'voices'], ['**invoices**']],
  ['a word inside CJK', '您的验证码是42', ['验证码'], ['您的**验证码**是42']],
  ['one character', 'x', ['x'], ['**x**']],
  ['across lines', 'end\r\n  of it', ['end of'], ['**end of** it']],
  ['an emoji', 'a 🎉 b', ['🎉'], ['a **🎉** b']],
  ['a letter whose lower case is longer', 'in İstanbul today', ['i\u0307stanbul'], ['in **İstanbul** today']],
  ['a Greek letter that has two lower cases', 'ΟΔΟΣΑ, η ΟΔΟΣ', ['οδοσ'], ['**ΟΔΟΣ**Α, η **ΟΔΟΣ**']],
  ['stars in the text', '**not** a match, **a*', ['match'], ['∗∗not∗∗ a **match**, ∗∗a∗']],
  ['a star that was searched', 'a*b', ['*'], ['a**∗**b']],
  ['markup as it is', '<b>x</b> & y', ['x'], ['<b>**x**</b> & y']],
  ['nothing', 'hay', ['needle'], []],
] as const)('marks %s', (_name, text, needles, expected) => {
  expect(mark(text, ...needles)).toEqual(expected)
})

test('fragments are bounded in number and length, and end between words', () => {
  const long = `${'hay '.repeat(50)}needle ${'hay '.repeat(50)}needle ${'hay '.repeat(50)}needle ${'hay '.repeat(50)}needle`
  const fragments = mark(long, 'needle')
  expect(fragments.length).toBe(3)
  for (const fragment of fragments) {
    expect(fragment).toMatch(/^hay .*\*\*needle\*\*.* hay$/)
    expect(fragment.length).toBeLessThanOrEqual(60 + 4)
  }
  const unbroken = mark(`${'\u{1F389}'.repeat(500)}needle${'\u{1F389}'.repeat(500)}`, 'needle')
  expect(unbroken.length).toBe(1)
  expect(unbroken[0]).toMatch(/^\u{1F389}+\*\*needle\*\*\u{1F389}+$/u)
})

test('a text of 32,768 characters that consists of matches, or nearly does, takes milliseconds', () => {
  expectBounded(() => {
    for (const needle of ['a', 'aa', `${'a'.repeat(249)}b`, `b${'a'.repeat(249)}`]) mark('a'.repeat(32_768), needle)
    mark(' \t'.repeat(16_384), 'a')
    mark('*'.repeat(32_768), '*')
  }, 200)
})

test('an address is marked in its name and its address, also across both', () => {
  const ann = { name: 'Ann Example', address: 'ann@example.test' }
  const address = (of: { name: string | null; address: string }, ...needles: string[]) =>
    highlightAddress(of, needles, bounds)
  expect(address(ann, 'ann')).toEqual(['**Ann** Example <**ann**@example.test>'])
  expect(address(ann, 'example ann@')).toEqual(['Ann **Example** <**ann@**example.test>'])
  expect(address({ name: null, address: 'bo@example.test' }, 'bo@')).toEqual(['**bo@**example.test'])
  expect(address(ann, 'bo')).toEqual([])
  expect(address({ name: 'x'.repeat(10_000), address: 'a@b.test' }, 'x')[0]!.length).toBeLessThan(70)
})
