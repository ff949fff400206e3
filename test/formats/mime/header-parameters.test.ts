import { expect, test } from 'vitest'
import { parseParameterised } from '../../../src/formats/mime/header-parameters.ts'
import { expectBounded } from '../bounded.ts'

test.each([
  ['a plain value', 'text/plain', 'text/plain', {}],
  ['upper case', 'Text/HTML; Charset=UTF-8', 'text/html', { charset: 'UTF-8' }],
  ['a quoted value', 'a/b; name="x; y=\\"z\\""', 'a/b', { name: 'x; y="z"' }],
  ['spaces around "="', 'a/b; name = x', 'a/b', { name: 'x' }],
  ['spaces in an unquoted value', 'attachment; filename=my file.pdf', 'attachment', { filename: 'my file.pdf' }],
  ['parentheses in an unquoted value', 'a/b; name=report(1).pdf', 'a/b', { name: 'report(1).pdf' }],
  ['a comment', 'text/plain (really); charset=us-ascii (plain (old))', 'text/plain', { charset: 'us-ascii' }],
  ['a continuation', 'a/b; name*1="cd"; name*0="ab"', 'a/b', { name: 'abcd' }],
  ['an extended value', "a/b; name*=iso-8859-1'de'%FCber%20uns", 'a/b', { name: 'über uns' }],
  ['extended continuations', "a/b; name*0*=utf-8''%C3; name*1*=%BC; name*2=.pdf", 'a/b', { name: 'ü.pdf' }],
  ['a percent sign in a plain piece', 'a/b; name*0="50%25"; name*1=off', 'a/b', { name: '50%25off' }],
  ['gb18030', "a/b; name*=gb18030''%C4%E3", 'a/b', { name: '你' }],
  ['both forms', "a/b; filename=old.txt; filename*=utf-8''n%C3%ABw.txt", 'a/b', { filename: 'nëw.txt' }],
  ['an encoded word', 'a/b; name="=?utf-8?B?w7w=?=.pdf"', 'a/b', { name: 'ü.pdf' }],
  [
    'more than ten pieces',
    Array.from({ length: 12 }, (_, i) => `n*${11 - i}=${(11 - i).toString(36)}`).join(';'),
    'n*11=b',
    { n: '0123456789a' },
  ],
  [
    'parentheses after a space in a file name',
    'attachment; filename=report (1).pdf; size=5',
    'attachment',
    { filename: 'report (1).pdf', size: '5' },
  ],
  [
    'parentheses in both',
    'a/b; name=a (b) c.pdf; charset=utf-8 (old)',
    'a/b',
    { name: 'a (b) c.pdf', charset: 'utf-8' },
  ],
  ['quotes in a quoted name', 'a/b; name="a "b" c.pdf"', 'a/b', { name: 'a "b" c.pdf' }],
  ['a path in a quoted name', 'a/b; name="C:\\a\\b.pdf"', 'a/b', { name: 'C:\\a\\b.pdf' }],
  ['a comment after a quoted name', 'a/b; name="x.pdf" (old)', 'a/b', { name: 'x.pdf' }],
  ['an encoded word in pieces', 'a/b; name*0="=?UTF-8?B?w7"; name*1="w=?=.pdf"', 'a/b', { name: 'ü.pdf' }],
  ['a whole value and pieces', "a/b; n*=utf-8''%C3%BCx; n*0*=utf-8''%C3%BC; n*1*=y", 'a/b', { n: 'üx' }],
  ['pieces and a whole value', "a/b; n*0*=utf-8''%C3%BC; n*1*=y; n*=utf-8''%C3%BCx", 'a/b', { n: 'üx' }],
  ['repeated pieces', 'a/b; n*0=a; n*1=b; n*0=c; n*1=d', 'a/b', { n: 'ab' }],
  ['a missing piece', 'a/b; n*0=rep; n*2=.pdf', 'a/b', { n: 'rep.pdf' }],
  ['pieces that begin at one', "a/b; n*1*=utf-8''%C3%BC; n*2=.pdf", 'a/b', { n: 'ü.pdf' }],
  ['a missing closing quote', 'a/b; name="x', 'a/b', { name: 'x' }],
  ['empty parts', ';;a/b;=x;;', '', {}],
  ['a broken percent', "a/b; name*=utf-8''%zz%4", 'a/b', { name: '%zz%4' }],
  ['a property name of JavaScript', 'a/b; __proto__=x; constructor=y', 'a/b', { ['__proto__']: 'x', constructor: 'y' }],
])('%s: %s', (_, text, value, parameters) => {
  const parsed = parseParameterised(text)
  expect(parsed.value).toBe(value)
  expect(Object.fromEntries(parsed.parameters)).toEqual(parameters)
})

test.each(['; a=b', '"', '(', '\\', ';', "; a*=x'y'z", '; a*0=b', '(\\', '; a="\\"', ' '])(
  'half a megabyte of %j is read in bounded time',
  (piece) => {
    expectBounded(() => {
      parseParameterised(`text/plain${piece.repeat(500_000 / piece.length)}`)
    })
  },
)
