import { describe, expect, test } from 'vitest'
import { parseAddressList } from '../../../src/formats/address/address-list.ts'
import { expectBounded } from '../bounded.ts'
import { seededRandom } from '../random.ts'

const ann = { address: 'ann@example.com' }
const named = { name: 'Ann', address: 'ann@example.com' }
const bob = { address: 'bob@example.com' }

describe('an address list', () => {
  test.each([
    ['one address', 'ann@example.com', [ann]],
    ['a name', 'Ann <ann@example.com>', [named]],
    ['several', 'Ann <ann@example.com>, bob@example.com', [named, bob]],
    ['a quoted name with a comma', '"Doe, Ann" <ann@example.com>', [{ name: 'Doe, Ann', address: 'ann@example.com' }]],
    ['escaped quotes', '"a \\"b\\"" <ann@example.com>', [{ name: 'a "b"', address: 'ann@example.com' }]],
    ['a name in a comment', 'ann@example.com (Ann)', [named]],
    ['a nested comment', '(a (b) c) <ann@example.com>', [{ name: 'a (b) c', address: 'ann@example.com' }]],
    [
      'an encoded name',
      '=?utf-8?Q?J=C3=B6rg=2C_Dr=2E?= <j@example.com>',
      [{ name: 'Jörg, Dr.', address: 'j@example.com' }],
    ],
    [
      'an encoded name in quotes',
      '"=?koi8-r?B?8NLJ18XU?=" <p@example.com>',
      [{ name: 'Привет', address: 'p@example.com' }],
    ],
    ['a group', 'friends: ann@example.com, bob@example.com;, Ann <ann@example.com>', [ann, bob, named]],
    ['an empty group', 'undisclosed-recipients:;', []],
    ['a quoted local part with @', '"x@y z"@example.com', [{ address: '"x@y z"@example.com' }]],
    ['a quoted local part in brackets', '<"a>b, c"@example.com>', [{ address: '"a>b, c"@example.com' }]],
    ['a source route', '<@one,@two:ann@example.com>', [ann]],
    ['semicolons between', 'ann@example.com; bob@example.com', [ann, bob]],
    ['white space around dots', 'ann . smith @ example . com', [{ address: 'ann.smith@example.com' }]],
    ['empty items', ', ,ann@example.com,,', [ann]],
    ['an empty list', '', []],
    ['IPv6', 'ann@[IPv6:2001:db8::1]', [{ address: 'ann@[IPv6:2001:db8::1]' }]],
  ])('with %s', (_, value, expected) => {
    expect(parseAddressList(value)).toEqual(expected)
  })

  test.each([
    ['no closing bracket', 'Ann <ann@example.com, bob@example.com', [named, bob]],
    ['no brackets', 'Ann ann@example.com', [named]],
    [
      'a quote that never ends',
      '"Ann <ann@example.com>, bob@example.com',
      [{ name: '"Ann', address: 'ann@example.com' }, bob],
    ],
    ['a comment that never ends', 'Ann (x <ann@example.com>', [{ name: 'Ann (x', address: 'ann@example.com' }]],
    ['only a name', 'MAILER-DAEMON', [{ name: 'MAILER-DAEMON', address: '' }]],
    ['two brackets', 'Ann <x> <ann@example.com>', [named]],
    ['only a closing bracket', 'Ann ann@example.com>', [named]],
    ['single quotes', "'ann@example.com', Ann <'ann@example.com'>", [ann, named]],
    ['mailto:', 'Ann <mailto:ann@example.com>, mailto:bob@example.com', [named, bob]],
    ['the dot of an absolute domain', 'ann@example.com., Ann <ann@example.com.>', [ann, named]],
    ['an encoded mailbox', '=?utf-8?q?Ann_=3Cann=40example.com=3E?=, =?utf-8?q?bob=40example.com?=', [named, bob]],
    ['an encoded name that only contains "@"', '=?utf-8?q?Ann_=40_work?=', [{ name: 'Ann @ work', address: '' }]],
    ['a name after the address', 'ann@example.com Ann', [named]],
    ['white space in the domain', 'ann@exa mple.com', [{ address: 'ann@exa mple.com' }]],
    ['white space in a domain in brackets', '<ann@exa mple.com>', [{ address: 'ann@exa mple.com' }]],
    ['a comma in a name', 'Doe, Ann <ann@example.com>', [{ name: 'Doe, Ann', address: 'ann@example.com' }]],
    [
      'two commas in a name, after another address',
      'bob@example.com, Doe, Ann, Jr. <ann@example.com>',
      [bob, { name: 'Doe, Ann, Jr.', address: 'ann@example.com' }],
    ],
    [
      'a comma between encoded words of one name',
      '=?utf-8?q?M=C3=BCller?=, =?utf-8?q?J=C3=B6rg?= <j@example.com>',
      [{ name: 'Müller, Jörg', address: 'j@example.com' }],
    ],
    [
      'a name before an address without a name',
      'Sales Team, bob@example.com',
      [{ name: 'Sales Team', address: '' }, bob],
    ],
    ['a name before a bare address', 'Sales Team, <bob@example.com>', [{ name: 'Sales Team', address: '' }, bob]],
    ['a quoted name before a comma', '"Team", Ann <ann@example.com>', [{ name: 'Team', address: '' }, named]],
    ['a name before a semicolon', 'Team; Ann <ann@example.com>', [{ name: 'Team', address: '' }, named]],
    [
      'names at the end',
      'Ann <ann@example.com>, Team, Staff',
      [named, ...['Team', 'Staff'].map((name) => ({ name, address: '' }))],
    ],
    ['a name before a group', 'Team, all: ann@example.com;', [{ name: 'Team', address: '' }, ann]],
    [
      'a line break in an encoded word',
      '=?utf-8?Q?a=0D=0ABcc:_e?= <ann@example.com>',
      [{ name: 'a  Bcc: e', address: 'ann@example.com' }],
    ],
  ])('that is broken by %s returns all readable addresses', (_, value, expected) => {
    expect(parseAddressList(value)).toEqual(expected)
  })

  // CVE-2025-13033 of another parser: it returned the quoted part as the address.
  test('that hides one address in the quoted local part of another returns the real one', () => {
    expect(parseAddressList('"eve@evil.example x"@example.com')).toEqual([
      { address: '"eve@evil.example x"@example.com' },
    ])
  })

  test('returns no more addresses than the limit', () => {
    expect(parseAddressList('a@b.c,'.repeat(5000), 100)).toHaveLength(100)
  })

  test.each([
    '<',
    '"',
    '(',
    '\\',
    '<"',
    '("',
    ':',
    ';',
    ',',
    '<a,',
    '=?',
    '=?a?q?',
    '"\\"',
    '<"\\"',
    ' ',
    'a@',
    '(\\',
    '\\"',
  ])('of half a megabyte of %j is read in bounded time', (piece) => {
    expectBounded(() => {
      parseAddressList(piece.repeat(500_000 / piece.length))
    })
  })

  test('of random pieces never fails and never contains a line break', () => {
    const random = seededRandom(3)
    const pieces = [
      '"',
      '<',
      '>',
      '(',
      ')',
      ',',
      ';',
      ':',
      '\\',
      '@',
      'a',
      ' ',
      '=?utf-8?q?=0d=0a?=',
      'é',
      '\0',
      '\r\n',
    ]
    for (let i = 0; i < 3000; i++) {
      const value = Array.from({ length: random.below(30) }, () => random.pick(pieces)).join('')
      for (const { name = '', address } of parseAddressList(value)) expect(name + address).not.toMatch(/[\r\n\0]/)
    }
  })
})
