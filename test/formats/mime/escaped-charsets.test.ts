import { describe, expect, test } from 'vitest'
import { decodeCharset } from '../../../src/formats/mime/charset.ts'
import { decodeEncodedWords } from '../../../src/formats/mime/encoded-words.ts'

const decode = (text: string, label?: string) => decodeCharset(Buffer.from(text, 'latin1'), label)

describe('ISO-2022-JP', () => {
  test.each([
    ['two escapes in a row', '\x1b$B2q5D\x1b(B\x1b$B;qNA\x1b(B', '会議資料'],
    ['three escapes in a row', '\x1b$B2q\x1b(B\x1b(J\x1b$B5D\x1b(B', '会議'],
    ['an escape at the end of a line', 'a\x1b$B\r\nb', 'a\r\nb'],
    ['a line that does not return to ASCII', '\x1b$B2q5D\nabc', '会議\nabc'],
    ['half-width katakana', '\x1b(I1\x1b(B', 'ｱ'],
    ['Roman letters', '\x1b(Jabc\x1b(B', 'abc'],
    ['the older set', '\x1b$@2q\x1b(B', '会'],
    ['a space inside', '\x1b$B2q\x1b(B 7719 \x1b$B5D\x1b(B', '会 7719 議'],
    ['half a character at the end', '\x1b$B2q5', '会\ufffd'],
    ['an unknown escape', 'a\x1b[1mb', 'a\x1b[1mb'],
  ])('with %s', (_, text, expected) => {
    expect(decode(text, 'iso-2022-jp')).toBe(expected)
  })

  test('is found without a label, in bodies and in header text, but not under another label', () => {
    const text = '\x1b$BM=Ls\x1b(B'
    for (const label of [undefined, '', 'us-ascii', 'x-unknown']) expect(decode(text, label)).toBe('予約')
    expect(decode(text, 'utf-8')).toBe(text)
    expect(decode(text, 'windows-1252')).toBe(text)
    expect(decode('cost: $B5 \x1b[0m')).toBe('cost: $B5 \x1b[0m')
  })

  test('words of one subject that each end in ASCII are joined', () => {
    const words = ['2q5D', ';qNA', 'AwIU'].map((each) => `\x1b$B${each}\x1b(B`)
    const subject = words.map((word) => `=?ISO-2022-JP?B?${Buffer.from(word).toString('base64')}?=`)
    expect(decodeEncodedWords(subject.join(' '))).toBe('会議資料送付')
  })
})

test.each([
  ['UTF-8', 'e4bc9a', '会'],
  ['Shift_JIS', '89ef8b63', '会議'],
])('text in %s with the label of ISO-2022-JP is read as what it is', (_, hex, text) => {
  expect(decodeCharset(Buffer.from(hex, 'hex'), 'iso-2022-jp')).toBe(text)
})

test.each([
  ['ISO-2022-KR', '\x1b$)C\x0eH.@N\x0f \x0eDZ5e\x0f!', 'iso-2022-kr', '확인 코드!'],
  ['ISO-2022-KR without a label', '\x1b$)C\x0eH.@N\x0f', undefined, '확인'],
  ['ISO-2022-KR that does not return at the end of a line', '\x1b$)C\x0eH.\nab', 'iso-2022-kr', '확\nab'],
  ['HZ', 'a~{QiV$Bk~}b', 'hz-gb-2312', 'a验证码b'],
  ['HZ with a tilde', 'a~~b', 'hz', 'a~b'],
  ['HZ with joined lines', 'a~\nb~\r\nc', 'hz', 'abc'],
  ['HZ that does not return at the end of a line', '~{Qi\nab', 'hz', '验\nab'],
])('%s is decoded', (_, text, label, expected) => {
  expect(decode(text, label)).toBe(expected)
})
