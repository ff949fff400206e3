/**
 * Names of charsets as registries, systems and programs write them. Each row has a text and its bytes in one charset, and
 * labels that must all decode it.
 */
import { describe, expect, test } from 'vitest'
import { decodeCharset } from '../../../src/formats/mime/charset.ts'
import { charsetOfLabel } from '../../../src/formats/mime/charset-labels.ts'

const LABELS: readonly [text: string, hex: string, labels: string][] = [
  [
    'grüße',
    '6772c3bcc39f65',
    'utf-8 UTF8 utf_8 unicode-1-1-utf-8 x-unicode20utf8 cp65001 utf-8n utf8mb4 "utf-8" charset=utf-8',
  ],
  [
    'grüße',
    '6772fcdf65',
    'iso-8859-1 ISO8859_1 latin1 l1 iso-ir-100 csISOLatin1 cp1252 x-cp1252 windows-1252 WINDOWS1252 win-1252 ibm819',
  ],
  [
    'grüße',
    '6772fcdf65',
    'us-ascii iso646-us ANSI_X3.4-1968 ibm367 cp20127 x-unknown unknown-8bit x-user-defined default',
  ],
  ['dž€', '649e80', 'windows-1250 cp1250 x-cp1250 win1250 ms1250'],
  ['šťáva', '9a9de17661', 'windows-1250 x-windows-1250 cp-1250'],
  ['łódź', 'b3f364bc', 'iso-8859-2 latin2 l2 csisolatin2 iso_8859-2:1987 iso-ir-101 cp28592'],
  ['Ελλάδα', 'c5ebebdce4e1', 'windows-1253 x-cp1253 iso-8859-7 greek elot_928 sun_eu_greek csisolatingreek iso-ir-126'],
  ['İyi günler', 'dd79692067fc6e6c6572', 'windows-1254 iso-8859-9 latin5 l5 csisolatin5 x-cp1254 iso_8859-9:1989'],
  ['שלום', 'f9ece5ed', 'windows-1255 iso-8859-8 iso-8859-8-i iso-8859-8-e logical visual hebrew csiso88598i x-cp1255'],
  ['رمز', 'd1e3d2', 'windows-1256 x-cp1256 cp1256'],
  ['سلام', 'd3e4c7e5', 'iso-8859-6 arabic asmo-708 ecma-114 csiso88596e iso-8859-6-i iso-ir-127'],
  ['Привет', 'cff0e8e2e5f2', 'windows-1251 x-cp1251 win-1251 cp1251 ansi-1251'],
  ['Привет', 'f0d2c9d7c5d4', 'koi8-r koi8 koi KOI8_R cskoi8r cp20866'],
  ['Привет', 'bfe0d8d2d5e2', 'iso-8859-5 cyrillic iso-ir-144 csisolatincyrillic'],
  ['Привет', '8fe0a8a2a5e2', 'cp866 ibm866 dos-866 csibm866'],
  ['Привет', '8ff0e8e2e5f2', 'x-mac-cyrillic x-mac-ukrainian cp10007'],
  ['รหัส', 'c3cbd1ca', 'windows-874 tis-620 iso-8859-11 dos-874 cp874 x-windows-874'],
  [
    '確認コード',
    '8a6d94468352815b8368',
    'shift_jis sjis x-sjis ms_kanji windows-31j x-ms-cp932 cp932 ms932 csshiftjis ibm-943',
  ],
  ['確認コード', 'b3cec7a7a5b3a1bca5c9', 'euc-jp x-euc-jp cp51932 eucjp-ms ujis cseucpkdfmtjapanese'],
  [
    '確認コード',
    '1b2442334e47272533213c25491b2842',
    'iso-2022-jp x-iso-2022-jp iso-2022-jp-ms cp50221 csiso2022jp iso-2022-jp-2',
  ],
  ['확인 코드', 'c8aec0ce20c4dab5e5', 'euc-kr ks_c_5601-1987 x-windows-949 cp949 ms949 uhc korean ksc5601 cseuckr'],
  ['확인 코드', '1b2429430e482e404e0f200e445a35650f', 'iso-2022-kr csiso2022kr'],
  ['验证码', 'd1e9d6a4c2eb', 'gb2312 gbk x-gbk gb18030 x-euc-cn euc-cn cp936 ms936 csgb2312 chinese gb_2312-80'],
  ['验证码', '7e7b51695624426b7e7d', 'hz-gb-2312 hz'],
  ['驗證碼', 'c5e7c3d2bd58', 'big5 big5-eten cn-big5 x-x-big5 csbig5 big5-hkscs cp950 ms950'],
  ['Grüße', '47729fa765', 'macintosh x-mac-roman mac csmacintosh MacRoman'],
  ['Κωδικός', 'baf6e4e9ebdef7', 'x-mac-greek MacGreek'],
  ['Příliš', '50de926c69e4', 'x-mac-ce maccentraleurope x-mac-centraleurroman cp10029'],
  ['grüße', '677281e165', 'ibm850 cp850 dos-850 CP-850 ibm-850'],
  ['grüße', '6772fcdf65', 'iso-8859-15 latin9 iso_8859-15 csisolatin9 l9'],
  ['Grüße', '47722b4150774133772d65', 'utf-7 unicode-1-1-utf-7 x-unicode-2-0-utf-7 csunicode11utf7'],
  ['né', '6e00e900', 'utf-16le unicode iso-10646-ucs-2 ucs-2 csunicode'],
]

describe.each(LABELS)('the bytes of %s (%s)', (text, hex, labels) => {
  test.each(labels.split(' '))('are decoded with the label %j', (label) => {
    expect(decodeCharset(Buffer.from(hex, 'hex'), label)).toBe(text)
  })
})

test.each([
  ['utf-8 format=flowed', 'utf8'],
  ["'utf-8'", 'utf8'],
  ['utf-8;', 'utf8'],
  ['utf-8*en', 'utf8'],
  ['ISO_8859-2:1987', 'iso88592'],
  ['windows-1258', 'windows1258'],
  ['cp00437', 'cp437'],
  ['x-johab', 'johab'],
  ['x', 'x'],
  ['', 'unreliable'],
  ['=?', 'unreliable'],
  ['__proto__', 'proto'],
])('the label %j means %j', (label, charset) => {
  expect(charsetOfLabel(label)).toBe(charset)
})
