/** What is derived from the styles of a message is kept for later messages with the same styles. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { linesOfHtml } from '../../../src/formats/html/html-lines.ts'

const lines = (html: string) => linesOfHtml(html, 1_000)

test('a message is read with its own styles, whatever messages were read before', () => {
  const body = '<p class="a">one</p><p class="a" style="color:white">two</p><p class="b">three</p>'
  const styles = {
    '': 'one\n\nthree',
    '<style>.a{display:none}</style>': 'three',
    '<style>.b{display:none}</style>': 'one',
    '<style>.a{background:black}</style>': 'two\n\nthree',
    // The same characters in one element and in two, where the first rule does not end.
    '<style>.a{top:0;}.b{display:none}</style>': 'one',
    '<style>.a{top:0;</style><style>}.b{display:none}</style>': 'one\n\nthree',
  }
  const check = () => {
    for (const [style, shown] of Object.entries(styles)) expect(lines(style + body), style).toBe(shown)
  }
  check()
  check()
  // More styles, and more different elements, than are kept.
  for (let index = 0; index < 50; index += 1) lines(`<style>.a${index}{display:none}</style>${body}`)
  const many = Array.from({ length: 2_000 }, (_, index) => `<i style="margin:${index}px"></i>`).join('')
  for (const style of Object.keys(styles)) lines(style + many)
  check()
})

test('what is kept of a message does not keep all of its HTML in memory', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const heapBytes = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  lines('<p style="margin:0">x')
  const before = heapBytes()
  for (let index = 0; index < 20; index += 1) {
    const style = `margin:0 0 0 ${index}px;padding:0 0 0 ${index}px`
    const long = ' '.repeat(2_000_000)
    expect(lines(`<p style="${style}">x</p>${long}`)).toBe('x')
    expect(lines(`<style>.element-${index}{${style}}</style><p class="element-${index}">x</p>${long}`)).toBe('x')
    expect(lines(`<p style="${style};${'color:red;'.repeat(200)}">x</p>${long}`)).toBe('x')
  }
  expect(heapBytes() - before).toBeLessThan(6_000_000)
})
