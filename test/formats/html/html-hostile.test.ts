/**
 * HTML that is made to be slow. Every function that reads the HTML of a message must take linear time. Each shape has a
 * megabyte. Before the depth was limited everywhere, extracting the search text of nested tags took 5 to 25 seconds of
 * CPU time.
 */
import { describe, expect, test } from 'vitest'
import { linesOfHtml } from '../../../src/formats/html/html-lines.ts'
import { scanQuotedHtml } from '../../../src/formats/reply/quoted-html.ts'
import { replyContext } from '../../../src/formats/reply/reply-context.ts'
import { extractReplyHtml } from '../../../src/formats/reply/reply-html.ts'
import { visibleTextOfHtml } from '../../../src/formats/verification/visible-text.ts'
import { expectBounded } from '../bounded.ts'

const SIZE = 1024 * 1024
const fill = (piece: string, size = SIZE) => piece.repeat(size / piece.length)

const shapes = {
  'nested tags': fill('<div>'),
  'unmatched closing tags, far down': `${fill('<i>', 200_000)}${fill('</b>')}`,
  'nested tags, then as many closing ones of another name': `${fill('<i>', SIZE / 2)}${fill('</b>', SIZE / 2)}`,
  'nested SVG, closed out of order': `${fill('<svg>', SIZE / 2)}${fill('<p></svg>', SIZE / 2)}`,
  'nested forms': fill('<form>'),
  'paragraphs that imply the end of others': fill('<p>'),
  'nested tables': fill('<table><tr><td>'),
  'quotes in quotes': fill('<blockquote type=cite>'),
  'angle brackets': fill('<'),
  'comments that never end': fill('<!--'),
  'one tag of attributes': `<a ${fill('x=1 ')}>`,
  'one attribute': `<a x="${fill('y')}`,
  'half entities': fill('&amp'),
}

const NO_CONTEXT = replyContext({})

const replyTo = (html: string) => extractReplyHtml(html, NO_CONTEXT, scanQuotedHtml(html))

const readers = {
  'reply without quotes': replyTo,
  lines: (html: string) => linesOfHtml(html, 200_000),
  'visible text': (html: string) => visibleTextOfHtml(html, 10_000),
}

describe.each(Object.entries(readers))('%s', (_name, read) => {
  test.each(Object.entries(shapes))('a megabyte of %s is read in bounded time', (_shape, html) => {
    expectBounded(() => read(html))
  })
})

test('elements up to 500 deep are read, deeper ones are not', () => {
  const nested = (depth: number) => `${'<div>'.repeat(depth - 1)}<p>here</p>${'</div>'.repeat(depth - 1)}<p>below</p>`
  expect(linesOfHtml(nested(500), 100)).toBe('here\n\nbelow')
  expect(linesOfHtml(`<p>above</p>${nested(501)}`, 100)).toBe('above')
  expect(visibleTextOfHtml(nested(500), 100).text).toBe('here\nbelow\n')
  expect(visibleTextOfHtml(`<p>above</p>${nested(501)}`, 100).text).toBe('above\n')
  expect(replyTo(nested(500))).toBe(nested(500))
  expect(replyTo(nested(501))).toBeUndefined()
})

test('an element that is open where reading stops is closed there', () => {
  const { text, strong } = visibleTextOfHtml(`<p>code: <b>${'word '.repeat(20_000)}`, 1_000)
  expect(strong).toEqual([{ start: 'code:'.length, end: text.length - 1 }])
})
