/**
 * Random commands, complete and broken. The parser must end each of them with a command or an ImapSyntaxError, in linear time; the
 * server must answer each, in whatever pieces it arrives, and still be there. A parser that reads one byte too many loses the tag that
 * follows, so that the wait for its answer never ends.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { parseCommand } from '../../src/edges/imap/grammar/imap-command-parser.ts'
import { ImapSyntaxError } from '../../src/edges/imap/grammar/imap-syntax.ts'
import { expectBounded } from '../formats/bounded.ts'
import { amount, firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer, useServer } from './imap-under-test.ts'

const WORDS = [
  ...[
    'FETCH',
    'UID',
    'STORE',
    'SEARCH',
    'LIST',
    'STATUS',
    'SELECT',
    'COPY',
    'APPEND',
    'ID',
    'ENABLE',
    'LOGIN',
    'RETURN',
    'OR',
    'NOT',
  ],
  ...[
    'FLAGS',
    'BODY[',
    'BODY.PEEK[1.2.HEADER.FIELDS (',
    ']',
    '<0.5>',
    '(',
    ')',
    '1:*',
    '1,2',
    '$',
    '*',
    '"',
    '\\',
    '\\Seen',
    '"a b"',
  ],
  ...[
    '{3}\r\nabc',
    '{3+}\r\na\r\n',
    '~{2}\r\n\0\0',
    '{',
    '{99999999}',
    'INBOX',
    '&APw-',
    '%',
    'ALL',
    'SUBJECT',
    'CHARSET',
    'UTF-8',
  ],
  ...[
    'QRESYNC',
    'MODSEQ',
    '1-Feb-1994',
    '\x80\xff',
    '\0',
    '\r',
    '',
    ' ',
    '  ',
    'NIL',
    '+',
    '=',
    '0',
    '4294967296',
    'x'.repeat(300),
  ],
]

function newRandom(short: number): () => number {
  const seed = firstSeed('TEST_SEED', short)
  console.log(`TEST_SEED=${seed}`)
  return seededRandom(seed)
}

function randomCommand(random: () => number): string {
  const count = Math.floor(random() * 9)
  let text = WORDS[Math.floor(random() * 13)]!
  for (let i = 0; i < count; i++) text += (random() < 0.8 ? ' ' : '') + WORDS[Math.floor(random() * WORDS.length)]
  return text
}

const timeout = amount({ short: 30_000, long: 300_000 })

test('the parser ends every input with a command or a syntax error', { timeout }, () => {
  const random = newRandom(1)
  const limits = withLimits()
  let parsed = 0
  for (let i = 0; i < amount({ short: 20_000, long: 1_000_000 }); i++) {
    const wire = `t ${randomCommand(random)}`
    try {
      parseCommand(wire, { isUtf8: random() < 0.5, limits })
      parsed += 1
    } catch (error) {
      if (!(error instanceof ImapSyntaxError)) throw new Error(JSON.stringify(wire), { cause: error })
    }
  }
  expect(parsed).toBeGreaterThan(0)
})

test.each([
  ['parentheses', (n: number) => `a SEARCH ${'('.repeat(n)}`],
  ['NOT', (n: number) => `a SEARCH ${'NOT '.repeat(n)}`],
  ['OR', (n: number) => `a SEARCH ${'OR '.repeat(n)}`],
  ['escapes', (n: number) => `a LOGIN "${'\\"'.repeat(n)}`],
  ['literals', (n: number) => `a LOGIN ${'{0}\r\n'.repeat(n)}`],
  ['ranges', (n: number) => `a FETCH ${'1:2,'.repeat(n)}`],
  ['sections', (n: number) => `a FETCH 1 BODY[${'1.'.repeat(n)}`],
  ['shifts', (n: number) => `a CREATE "${'&APw-a'.repeat(n)}"`],
  ['broken shifts', (n: number) => `a CREATE "${'&'.repeat(n)}"`],
  ['wildcards', (n: number) => `a LIST "" ${'%*'.repeat(n)}`],
  ['announcements', (n: number) => `a ${'{1}'.repeat(n)}`],
])('hostile %s take linear time', (_name, make) => {
  const limits = withLimits()
  const wire = make(60_000)
  expectBounded(() => {
    try {
      parseCommand(wire, { isUtf8: false, limits })
    } catch (error) {
      expect(error).toBeInstanceOf(ImapSyntaxError)
    }
  }, 500)
})

const server = useServer(() => startMemoryServer({ imap: { badCommandsMax: 1_000_000 } }))

test('the server answers every command, however it is cut into pieces', async () => {
  const random = newRandom(2)
  const account = await server.current.createAccount()
  for (let round = 0; round < amount({ short: 4, long: 100 }); round++) {
    const client = await ImapClient.logIn(server.current.port, account)
    await client.append('INBOX', 'Subject: a\r\n\r\nb\r\n')
    await client.ok('SELECT INBOX')
    let wire = ''
    for (let i = 0; i < 100; i++) {
      // Those that would make the server wait for more, or end the session, are left out.
      const command = randomCommand(random).replace(/\{99999999\}|\{(?!\d+\+?\}\r\n)|APPEND|IDLE|LOGOUT/g, '')
      wire += `f${i} ${command}\r\n`
    }
    wire += 'last NOOP\r\n'
    for (let at = 0; at < wire.length; ) {
      const end = at + 1 + Math.floor(random() * random() * 2_000)
      client.send(wire.slice(at, end))
      at = end
      if (random() < 0.1) await new Promise(setImmediate)
    }
    let response: string
    do response = await client.response()
    while (!response.startsWith('last '))
    expect(response).toMatch(/^last OK/)
    client.destroy()
  }
})
