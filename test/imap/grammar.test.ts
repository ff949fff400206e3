import { expect, test } from 'vitest'
import { limits as defaults, withLimits } from '../../src/config/limits.ts'
import { parseAppendStart } from '../../src/edges/imap/grammar/append-parser.ts'
import { tagOf } from '../../src/edges/imap/grammar/grammar-context.ts'
import { parseCommand } from '../../src/edges/imap/grammar/imap-command-parser.ts'
import { formatDateTime, parseDateTime, parseDay } from '../../src/edges/imap/grammar/imap-date.ts'
import { ImapSyntaxError } from '../../src/edges/imap/grammar/imap-syntax.ts'
import { TokenReader } from '../../src/edges/imap/grammar/imap-token-reader.ts'
import { createListPattern } from '../../src/edges/imap/grammar/list-pattern.ts'
import { decodeMailboxName, encodeMailboxName } from '../../src/edges/imap/grammar/mailbox-name-encoding.ts'
import { formatSet, normalise, positionsOfUids } from '../../src/edges/imap/grammar/message-set.ts'
import { formatAstring, formatString, formatText } from '../../src/edges/imap/grammar/response-strings.ts'
import { expectBounded } from '../formats/bounded.ts'

const context = { isUtf8: false, limits: withLimits() }
const parse = (wire: string) => parseCommand(`a ${wire}`, context).command

test.each([
  ['noop', { name: 'NOOP' }],
  ['LOGIN "a \\"b\\" \\\\" {3}\r\nx y', { name: 'LOGIN', user: 'a "b" \\', password: 'x y' }],
  ['LOGIN {0}\r\n {0+}\r\n', { name: 'LOGIN', user: '', password: '' }],
  ['select iNbOx', { name: 'SELECT', mailbox: 'INBOX' }],
  ['SELECT inbox/x', { name: 'SELECT', mailbox: 'INBOX/x' }],
  ['SELECT inboxes', { name: 'SELECT', mailbox: 'inboxes' }],
  ['CREATE a/b/', { name: 'CREATE', mailbox: 'a/b' }],
  ['SELECT x (CONDSTORE)', { name: 'SELECT', isCondstore: true }],
  [
    'SELECT x (QRESYNC (5 20 1:3,9 (1,5 4:5)))',
    {
      qresync: {
        uidValidity: 5,
        modseq: 20n,
        known: [
          { first: 1, last: 3 },
          { first: 9, last: 9 },
        ],
        match: {
          numbers: [
            { first: 1, last: 1 },
            { first: 5, last: 5 },
          ],
          uids: [{ first: 4, last: 5 }],
        },
      },
    },
  ],
  ['SELECT x (QRESYNC (5 20 (1 4)))', { qresync: { known: undefined, match: { uids: [{ first: 4, last: 4 }] } } }],
  ['STORE 1 -flags.silent \\seen x', { how: 'remove', isSilent: true, flags: ['\\Seen', 'x'] }],
  ['STORE 1 FLAGS (\\Recent \\DELETED)', { how: 'replace', flags: ['\\Deleted'] }],
  ['UID STORE $ (UNCHANGEDSINCE 7) +FLAGS ()', { isUid: true, set: 'saved', unchangedSince: 7n, flags: [] }],
  ['FETCH 1 BODY[header.fields (a "b c")]', { items: [{ label: 'BODY[HEADER.FIELDS (a "b c")]', isPeek: false }] }],
  [
    'FETCH 1 body.peek[1.2.MIME]<5.6>',
    { items: [{ label: 'BODY[1.2.MIME]<5>', isPeek: true, partial: { start: 5, count: 6 } }] },
  ],
  ['UID FETCH 1 (FLAGS) (CHANGEDSINCE 12 VANISHED)', { changedSince: 12n, vanished: true }],
  [
    'LIST (SUBSCRIBED) "" ("a" b%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))',
    { patterns: ['a', 'b%'], status: ['MESSAGES', 'UNSEEN'] },
  ],
  ['AUTHENTICATE plain =', { mechanism: 'PLAIN', initial: '=' }],
  ['AUTHENTICATE PLAIN AGEAYg==', { mechanism: 'PLAIN', initial: 'AGEAYg==' }],
])('%s', (wire, command) => {
  expect(parse(wire)).toMatchObject(command)
})

test.each([
  '',
  'NOOP ',
  ' NOOP',
  'NO\0OP',
  'LOGIN a',
  'LOGIN a "b',
  'LOGIN a "b\\x"',
  'LOGIN a "b\rc"',
  'LOGIN a {3}\r\nab',
  'LOGIN a {1}\r\n\0',
  'LOGIN a {x}\r\nb',
  'LOGIN a {99999999999999999999}\r\nb',
  'LOGIN a \xfc',
  'LOGIN a b c',
  'SELECT',
  'SELECT a b',
  'SELECT a (X)',
  'SELECT a (QRESYNC (1 1 *))',
  'RENAME a',
  'UID',
  'UID NOOP',
  'UID EXPUNGE',
  'EXPUNGE 1',
  'COPY 1',
  'ENABLE',
  'STATUS a ()',
  'ID x',
  'ID ("a")',
  'STORE 1 (UNCHANGEDSINCE -1) FLAGS ()',
  'STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()',
  `STORE 1 FLAGS (${'a '.repeat(defaults.imap.listMembersMax.default)}a)`,
  `FETCH ${'1,'.repeat(defaults.imap.setRangesMax.default)}1 FLAGS`,
  `LIST "" "${'a'.repeat(defaults.imap.nameBytesMax.default + 1)}"`,
])('%.80s is refused', (wire) => {
  expect(() => parse(wire)).toThrow(ImapSyntaxError)
})

test('a tag is found in a command that cannot be read', () => {
  expect(['a1 X', 'a1', '', ' x', 'a+ x', '* x', `${'a'.repeat(300)} x`].map(tagOf)).toEqual(['a1', 'a1', ...Array(5)])
})

test.each([
  ['Entw&APw-rfe', 'Entwürfe'],
  ['&-', '&'],
  ['a&-b&-', 'a&b&'],
  ['~peter/mail/&U,BTFw-/&ZeVnLIqe-', '~peter/mail/台北/日本語'],
  ['&2D3cCQ-', '🐉'.length === 2 ? '\ud83d\udc09' : ''],
])('modified UTF-7: %s', (wire, name) => {
  expect(decodeMailboxName(wire, false)).toBe(name)
  expect(encodeMailboxName(name, false)).toBe(wire)
})

test.each([
  '&',
  'a&b',
  '&AGE-',
  '&AGEAYg-',
  '&APw',
  '&APw-&APw-',
  '&2D0-',
  '&A-',
  '&APx-',
  '&!-',
  'a\x01b',
  '\xfc',
  '&AAE-',
])('not modified UTF-7: %s', (wire) => expect(decodeMailboxName(wire, false)).toBeUndefined())

test('UTF-8 names', () => {
  expect(decodeMailboxName('\xc3\xbc', true)).toBe('ü')
  expect(encodeMailboxName('ü&', true)).toBe('\xc3\xbc&')
  expect(['\xff', '\x01', '\xc2\x80', '\xe2\x80\xa8'].map((wire) => decodeMailboxName(wire, true))).toEqual(Array(4))
})

test.each([
  ['*', 'a/b', true],
  ['%', 'a/b', false],
  ['a/%', 'a/b', true],
  ['a/%', 'a/b/c', false],
  ['a*c', 'a/b/c', true],
  ['%/c', 'a/c', true],
  ['%%a', 'ba', true],
  ['*%', 'a/b', true],
  ['a', 'A', false],
  ['', 'a', false],
  ['inbox', 'INBOX', true],
  ['i%', 'INBOX', true],
  ['inbox/%', 'INBOX/x', true],
  ['i%', 'ix', true],
  ['%o%', 'INBOX', true],
])('pattern %s and %s: %s', (pattern, name, isMatch) => {
  expect(createListPattern(pattern).matches(name)).toBe(isMatch)
})

test('the time of a hostile pattern is bounded by its length and that of the name', () => {
  const matches = () => createListPattern(`${'*a'.repeat(500)}b`).matches('a'.repeat(1_000))
  expect(expectBounded(matches, 500)).toBe(false)
})

test('dates', () => {
  expect(parseDay('1-feb-1994')).toBe('1994-02-01')
  expect(parseDateTime(' 1-Feb-1994 21:52:25 -0800')).toBe(Date.UTC(1994, 1, 2, 5, 52, 25))
  expect(formatDateTime(Date.UTC(1994, 1, 2, 5, 2, 5))).toBe('" 2-Feb-1994 05:02:05 +0000"')
  for (const text of ['30-Feb-1994', '1-Foo-1994', '1994-02-01', ''])
    expect(() => parseDay(text)).toThrow(ImapSyntaxError)
  for (const text of ['1-Feb-1994 25:00:00 +0000', '1-Feb-1994 00:00:00', '1-Feb-1994 00:00:00 +0099']) {
    expect(() => parseDateTime(text)).toThrow(ImapSyntaxError)
  }
})

test('sets', () => {
  expect(formatSet([1, 2, 3, 7, 9, 10])).toBe('1:3,7,9:10')
  const ranges = [
    { start: 5, end: '*' },
    { start: 3, end: 1 },
    { start: 2, end: 4 },
  ] as const
  expect(normalise(ranges, 9)).toEqual([{ first: 1, last: 9 }])
  expect(positionsOfUids([{ start: 100, end: '*' }], [4, 8])).toEqual([{ start: 1, end: 2 }])
  expect(positionsOfUids([{ start: 1, end: 4294967295 }], [4, 8])).toEqual([{ start: 0, end: 2 }])
})

/** Reads what was written with the reader of commands, which is as strict as a client may be. */
test('whatever a string contains, the response is valid and means the same', () => {
  const chars = ['a', '"', '\\', '\r', '\n', '{', '}', '(', ')', ' ', ']', '%', '\x7f', '\xff', '1', 'NIL']
  for (let seed = 0; seed < 2_000; seed++) {
    const text = Array.from(
      { length: seed % 7 },
      (_, i) => chars[(seed * 7 + i * i * 31 + (seed >> 3) * i) % chars.length],
    ).join('')
    for (const format of [formatString, formatAstring]) {
      const reader = new TokenReader(`${format(text)} rest`)
      expect(reader.astring()).toBe(text)
      expect(reader.isNext(' rest')).toBe(true)
    }
  }
  expect(formatAstring('')).toBe('""')
  expect(formatAstring('nil')).toBe('"nil"')
  expect(formatString('a\0b')).toBe('"ab"')
  expect(formatText('a\r\n* OK ü')).toBe('a?* OK ?')
  expect(formatText('')).toBe('failed')
})

test('APPEND up to its message', () => {
  const start = (wire: string, isUtf8 = false) => parseAppendStart(`a APPEND ${wire}\r\n`, { ...context, isUtf8 })
  expect(start('x {5}')).toMatchObject({
    mailbox: 'x',
    sizeBytes: 5,
    flags: [],
    internalDate: undefined,
    isUtf8: false,
  })
  expect(start('{1}\r\nx (\\seen) " 1-Feb-1994 00:00:00 +0000" {5+}')).toMatchObject({
    mailbox: 'x',
    flags: ['\\Seen'],
  })
  expect(start('x UTF8 (~{5}', true)).toMatchObject({ isUtf8: true })
  expect(start('{5}')).toBeUndefined()
  for (const wire of ['x y {5}', 'x () {5', 'x (a', 'x UTF8 (~{5}', 'x () ()  {5}', '{1}\r\nx {3}\r\nabc {3}']) {
    expect(() => start(wire), wire).toThrow(ImapSyntaxError)
  }
})
