/** Tests which texts of a message SEARCH compares, where the tests of SEARCH do not see it: what is read for nothing, and where a text is divided. */
import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { messageTexts } from '../../../src/formats/imap/message-texts.ts'
import { decodeCharset } from '../../../src/formats/mime/charset.ts'
import { countLoopWork } from '../../support/loop-work.ts'

const LIMITS = { depthMax: 10, partsMax: 100, headerBytesMax: 10_000, headerFieldsMax: 100, htmlCharsMax: 1_000 }

test('of a long HTML, the styles behind what is shown are not read', () => {
  const html = `<p class="late">a &amp; b</p>${' '.repeat(1_000_000)}<style>.late { display: none }</style>`
  const raw = Buffer.from(`Content-Type: text/html\r\n\r\n${html}`)
  const texts = [...messageTexts(raw, LIMITS)].filter(({ isHeader, text }) => !isHeader && text !== '')
  expect(texts[0]!.text).toBe('a & b')
  expect(
    texts
      .slice(1)
      .map(({ text }) => text)
      .join(''),
  ).toBe(html)
})

// The structure of a message with a thousand parts was one piece, which took up to 29 ms.
test('between two pieces, few parts are read', async () => {
  const part = '--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n'
  const raw = Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(1_000)}`)
  const work = countLoopWork()
  onTestFinished(work.stop)
  let found = ''
  for (const { isHeader, text } of messageTexts(raw, { ...LIMITS, partsMax: 1_000, headerFieldsMax: 10_000 })) {
    if (!isHeader) found += text
    await setImmediate()
  }
  expect(found).toBe('x'.repeat(999))
  expect(work.longest()).toBeLessThan(1_500) // 11,200 for all of them
})

const repeated = (bytes: readonly number[], size: number) =>
  Buffer.concat(Array.from({ length: Math.ceil(size / bytes.length) }, () => Buffer.from(bytes)))
const line = (...bytes: number[]) => [...bytes, 0x0d, 0x0a]

const MARK = '\ufeff'

// The mark, or the guess, was that of each piece: the second one was decoded in another charset.
test.each([
  ['no label', '', 'LE', MARK],
  ['no label', '', 'BE', MARK],
  ['the label utf-8', 'utf-8', 'BE', MARK],
  ['the label utf-16', 'utf-16', 'LE', MARK],
  ['the label utf-16', 'utf-16', 'BE', MARK],
  ['the label of the other byte order', 'utf-16le', 'BE', MARK],
  ['the label utf-16', 'utf-16', 'LE', ''],
  ['the label utf-16', 'utf-16', 'BE', ''],
  ['its label', 'utf-16be', 'BE', ''],
] as const)('a long text in UTF-16 with %s (%s, %s) is divided between characters', (_, label, order, mark) => {
  const type = label === '' ? 'text/plain' : `text/plain; charset=${label}`
  for (const shift of [-5, -4, -3, -2, -1, 0, 1]) {
    // Units after the cut look like the other byte order, and like its mark.
    const text = `${'x'.repeat(2 ** 19 + shift)}\u{10428}\u{10429}\ufffe${'\u6100'.repeat(50)}ж needle`
    const body = Buffer.from(mark + text, 'utf16le')
    if (order === 'BE') body.swap16()
    const raw = Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`), body])
    const texts = [...messageTexts(raw, LIMITS)].filter((piece) => !piece.isHeader && piece.text !== '')
    expect(texts).toHaveLength(2)
    expect(texts.map((piece) => piece.text).join('') === text, String(shift)).toBe(true)
  }
})

test.each<[charset: string, piece: readonly number[]]>([
  ['utf-8', line(0xe5, 0xa5, 0xbd, 0x61)],
  ['utf-8', [0xe5, 0xa5, 0xbd, 0x61]],
  ['gb18030', line(0x81, 0x30, 0x81, 0x30, 0xb0, 0xa1)],
  ['big5', line(0xa4, 0x40, 0xa4, 0x7e)],
  ['shift_jis', line(0x83, 0x40, 0x61)],
  ['iso-2022-jp', line(0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x42)],
  ['utf-7', line(0x2b, 0x41, 0x4f, 0x6b, 0x2d)],
  ['utf-16le', [0x0a, 0x00, 0x0a, 0x0a, 0x61, 0x00]],
  ['iso-8859-1', [0xe9]],
])('a long text in %s is divided, and no character is lost', (charset, piece) => {
  const body = repeated(piece, 1_200_000)
  const raw = Buffer.concat([Buffer.from(`Content-Type: text/plain; charset=${charset}\r\n\r\n`), body])
  const texts = [...messageTexts(raw, LIMITS)].filter(({ isHeader, text }) => !isHeader && text !== '')
  expect(texts.length).toBeGreaterThan(1)
  expect(texts.map(({ isContinued }) => isContinued)).toEqual(texts.map((_, index) => index > 0))
  expect(texts.map(({ text }) => text).join('') === decodeCharset(body, charset)).toBe(true)
})
