import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { linesOfHtml } from '../../src/formats/html/html-lines.ts'
import { scanQuotedHtml } from '../../src/formats/reply/quoted-html.ts'
import { visibleTextOfHtml } from '../../src/formats/verification/visible-text.ts'
import { readHtml } from '../../src/mail/messages/content/html-readings.ts'

const limits = withLimits()
const { verificationCharsMax, htmlTextCharsMax, replyTextCharsMax } = limits.parsing

const paragraphs = (count: number) => '<p style="color:#333">One &amp; two, <b>482913</b></p>\n'.repeat(count)
const shapes = {
  'a short message': `<style>p { margin: 0 }</style>${paragraphs(3)}<blockquote type=cite>${paragraphs(2)}</blockquote>`,
  'more shown text than codes are searched in': `<div><b>${paragraphs(2_000)}<a href="https://a.test/">${paragraphs(500)}`,
  'more HTML than a reply has': `<div><table><tr><td>${paragraphs(5_000)}`,
  'hidden text around shown text': `<div hidden>${paragraphs(400)}</div>${paragraphs(2)}`,
  'elements nested too deep': `${paragraphs(3)}${'<i>'.repeat(501)}${paragraphs(3)}`,
  'no tag': 'One & two',
  nothing: '',
}

test.each(Object.entries(shapes))('one pass over %s finds what a pass for each purpose finds', (_name, html) => {
  const { quoted, visible, lines } = readHtml(html, true, limits)
  expect(quoted).toEqual(html.length > replyTextCharsMax ? undefined : scanQuotedHtml(html))
  expect(visible).toEqual(visibleTextOfHtml(html, verificationCharsMax))
  expect(lines).toBe(linesOfHtml(html, htmlTextCharsMax))
})

test('a limit that ends one purpose ends no other', () => {
  const small = withLimits({ parsing: { htmlTextCharsMax: 100, verificationCharsMax: 30_000 } })
  const html = `<p><b>${paragraphs(1_000)}`
  const { quoted, visible, lines } = readHtml(html, true, small)
  expect(quoted).toEqual(scanQuotedHtml(html))
  expect(visible).toEqual(visibleTextOfHtml(html, 30_000))
  expect(lines).toBe(linesOfHtml(html, 100))
})
