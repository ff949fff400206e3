/** Tests which texts of a message SEARCH compares, where the tests of SEARCH do not see it: what is read for nothing. */
import { expect, test } from 'vitest'
import { messageTexts } from '../../../src/formats/imap/message-texts.ts'

const LIMITS = { depthMax: 10, partsMax: 100, headerBytesMax: 10_000, headerFieldsMax: 100, htmlCharsMax: 1_000 }

test('of a long HTML, the styles behind what is shown are not read', () => {
  const html = `<p class="late">a &amp; b</p>${' '.repeat(1_000_000)}<style>.late { display: none }</style>`
  const raw = Buffer.from(`Content-Type: text/html\r\n\r\n${html}`)
  const texts = [...messageTexts(raw, LIMITS)].filter(({ isHeader }) => !isHeader)
  expect(texts[0]!.text).toBe('a & b')
  expect(
    texts
      .slice(1)
      .map(({ text }) => text)
      .join(''),
  ).toBe(html)
})
