/** Who a broken From is from, for programs that read it in other ways. Through SMTP: test/flows/sender-authentication.test.ts. */
import { expect, test } from 'vitest'
import { parseAuthorAddresses } from '../../../src/formats/address/author-addresses.ts'
import { expectBounded } from '../bounded.ts'

const authors = (value: string) => parseAuthorAddresses(value, 1_000).map(({ address }) => address)

const manyOf = (domain: string) => Array.from({ length: 100 }, (_, index) => `a${index}@${domain}`).join(' ')

test.each([
  ['in two pairs of brackets', '<ceo@bank.example> <eve@evil.example>'],
  ['in brackets that are not closed', '<ceo@bank.example <eve@evil.example>'],
  ['in brackets with white space', '<ceo . x @ bank.example> <eve@evil.example>'],
  ['in brackets with a stray "@"', '<ceo@bank.example @> <eve@evil.example>'],
  ['behind the brackets', '<eve@evil.example> ceo@bank.example'],
  ['without brackets', 'ceo@bank.example eve@evil.example'],
  ['with a bracket between', 'ceo@bank.example> eve@evil.example'],
  ['with "mailto:"', 'mailto:ceo@bank.example eve@evil.example'],
  ['as the name of a group', 'ceo@bank.example: eve@evil.example;'],
  ['with quotes and dots around it', "'ceo@bank.example.' eve@evil.example"],
  ['before a hundred others', `<ceo@bank.example> ${manyOf('evil.example')} <eve@evil.example>`],
  ['after a hundred others', `<eve@evil.example> ${manyOf('evil.example')} ceo@bank.example`],
  ['before a quote that never ends', '"x" <ceo@bank.example> "<eve@evil.example>'],
])('a mailbox that contains another address %s has both', (_, value) => {
  expect(authors(value).map((address) => address.split('@').at(-1)!)).toEqual(['evil.example', 'bank.example'])
})

test('an address of another domain counts once, and the limit counts all', () => {
  const value = '<a@one.example> <b@ONE.example> <c@two.example> <d@evil.example>, x@two.example'
  expect(authors(value)).toEqual(['d@evil.example', 'a@one.example', 'c@two.example', 'x@two.example'])
  expect(parseAuthorAddresses(value, 2)).toHaveLength(2)
})

test.each([
  ['a word in brackets', 'Ann <x> <ann@host.example>'],
  ['empty brackets', '<> Ann <ann@host.example>'],
  ['the same address twice', '<ann@HOST.example> <mailto:ann@host.example>'],
  ['the same address without brackets', 'ann@host.example ann@host.example'],
  ['another address of the same domain', '<sales@host.example> <ann@host.example>'],
  ['a name of another system', 'Ann <CN=Ann/O=Org@Org> <ann@host.example>'],
  ['the name of an account', '@ann_e ann@host.example'],
  ['an address as its name', 'ann@other.example <ann@host.example>'],
  ['an address as its name, in quotes', '"\'ann@other.example\' via List" <ann@host.example>'],
  ['an address as a comment', 'ann@host.example (ann@other.example)'],
  ['a name with "@"', 'Ann @ work ann@host.example'],
  ['a name after it', '<ann@host.example> Ann Example, Inc.'],
])('a mailbox with %s has one address', (_, value) => {
  expect(authors(value).filter((address) => address !== '')).toEqual(['ann@host.example'])
})

test.each(['<a@b.example>', '<', ' .', "'", '\\', 'a@b.example ', 'é@é.example ', 'a@'])(
  'a long From of %j takes bounded time',
  (piece) => {
    const long = piece.repeat(250_000 / piece.length)
    expectBounded(() => {
      authors(long)
      authors(`<a@b.example> ${long}`)
    })
  },
)
