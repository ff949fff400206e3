import { expect, test } from 'vitest'
import { decodeEncodedWords } from '../../../src/formats/mime/encoded-words.ts'
import { expectBounded } from '../bounded.ts'

test.each([
  ['plain text', 'hello', 'hello'],
  ['the Q encoding', '=?utf-8?Q?gr=C3=BC=C3=9Fe?=', 'grüße'],
  ['the B encoding', '=?UTF-8?b?Z3LDvMOfZQ==?=', 'grüße'],
  ['underscores', '=?us-ascii?q?a_b?=', 'a b'],
  ['gb18030', '=?gb18030?B?xOO6ww==?=', '你好'],
  ['iso-2022-jp', '=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=', 'こん'],
  ['koi8-r', '=?koi8-r?B?8NLJ18XU?=', 'Привет'],
  ['windows-1252', '=?windows-1252?Q?=80_5?=', '€ 5'],
  ['a language', '=?utf-8*de?Q?=C3=BC?=', 'ü'],
  ['text around', 'Re: =?utf-8?Q?=C3=BC?= end', 'Re: ü end'],
  ['white space between words', '=?utf-8?Q?a?= \t =?utf-8?Q?b?=', 'ab'],
  ['a character split over two words', '=?utf-8?B?w7w=?= =?utf-8?Q?=C3?= =?utf-8?Q?=9F?=', 'üß'],
  [
    'base64 that is cut inside a group',
    '=?utf-8?B?w5xiZXJnYWJlIGRlciBTY2?= =?utf-8?B?hsw7xzc2Vs?=',
    'Übergabe der Schlüssel',
  ],
  ['base64 that is cut after each digit', [...'w7zDnw=='].map((digit) => `=?utf-8?B?${digit}?=`).join(' '), 'üß'],
  ['base64 with padding in each word', '=?utf-8?B?YQ==?= =?utf-8?B?w7w=?=', 'aü'],
  ['base64 without padding before a Q word', '=?utf-8?B?YQ?= =?utf-8?Q?b?=', 'ab'],
  ['two charsets', '=?utf-8?Q?=C3=BC?= =?koi8-r?B?8A==?=', 'üП'],
  ['words without a space between them', '=?utf-8?Q?a?==?utf-8?Q?b?=', 'ab'],
  ['spaces inside a word', '=?utf-8?Q?a b?=', 'a b'],
  ['an empty word', '=?utf-8?Q??=x', 'x'],
  ['an unknown encoding', '=?utf-8?X?a?=', '=?utf-8?X?a?='],
  ['an unknown charset', '=?x-nope?Q?gr=C3=BC?=', 'grü'],
  ['no end', '=?utf-8?Q?abc', '=?utf-8?Q?abc'],
  ['only an opening', 'what=? yes', 'what=? yes'],
  ['a question mark as text', '=?utf-8?Q?why=3F?=', 'why?'],
  ['a hidden line break', '=?utf-8?Q?a=0D=0ABcc=3A_eve?=', 'a  Bcc: eve'],
  ['a hidden NUL', '=?utf-8?Q?a=00b?=', 'ab'],
])('%s: %j', (_, encoded, decoded) => {
  expect(decodeEncodedWords(encoded)).toBe(decoded)
})

test.each(['=?', '=?a?q?', '=?a?q?x', '=?utf-8?q?a?= ', '?=', '=?a?q?x?=', '=?utf-8?b?', ' '])(
  '200 KB of %j are decoded in bounded time',
  (piece) => {
    const text = piece.repeat(200_000 / piece.length)
    expectBounded(() => {
      decodeEncodedWords(text)
      decodeEncodedWords(`${text}?=`)
      decodeEncodedWords(`=?utf-8?q?a?=${text}`)
    })
  },
)
