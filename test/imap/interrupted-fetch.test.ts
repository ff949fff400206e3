import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { ImapRefusal } from '../../src/edges/imap/session/mail-store.ts'
import type { ImapClient } from './imap-client.ts'
import { openMailbox, startMemoryServer } from './imap-under-test.ts'

/** @param raw of the second of three messages */
async function open(raw: string, limits: LimitOverrides = {}) {
  const server = await startMemoryServer(limits)
  onTestFinished(() => server.stop())
  const [client] = (await openMailbox(server)) as [ImapClient]
  const inbox = [...server.store.inboxes.values()][0]!
  const { messages } = inbox.mailboxes.get('Work')!
  const second = { ...messages.get(2)!, raw: Buffer.from(raw) }
  messages.set(2, second)
  return { client, inbox, second, logged: server.logged }
}

// They were counted as sent, so that the client never learnt of their new flags.
test('messages that FETCH has marked as read and not sent, because of an error, are reported with their flags', async () => {
  const { client, second } = await open('Subject: two\r\n\r\ntwo')
  Object.defineProperty(second, 'structure', {
    get() {
      throw new ImapRefusal('UNAVAILABLE', 'the disk does not answer')
    },
  })
  expect(await client.command('FETCH 1:3 BINARY[1]')).toMatchObject({
    status: 'NO',
    text: expect.stringContaining('[UNAVAILABLE]'),
    untagged: [
      expect.stringMatching(/^1 FETCH \(BINARY\[1\] .* FLAGS \(\\Seen\)\)$/s),
      '2 FETCH (FLAGS (\\Seen))',
      '3 FETCH (FLAGS (\\Seen))',
    ],
  })
  expect(await client.ok('NOOP')).toEqual([])
})

test('FETCH BODY[] sends messages while flags cannot be stored, and they stay unread', async () => {
  const { client, inbox } = await open('Subject: two\r\n\r\ntwo')
  inbox.isUnwritable = true
  expect(await client.ok('FETCH 2 BODY[]')).toEqual(['2 FETCH (BODY[] {19}\r\nSubject: two\r\n\r\ntwo)'])
  expect((await client.command('STORE 2 +FLAGS (\\Seen)')).text).toMatch(/^\[UNAVAILABLE\]/)
  inbox.isUnwritable = false
  expect(await client.ok('FETCH 2 (FLAGS BODY[])')).toEqual([
    '2 FETCH (FLAGS (\\Seen) BODY[] {19}\r\nSubject: two\r\n\r\ntwo)',
  ])
})

const UNDECODABLE = [
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  '',
  'x'.repeat(100_000),
  '--b',
  'Content-Transfer-Encoding: x-unknown',
  '',
  'two',
  '--b--',
  '',
].join('\r\n')

// It ended the connection if the response had begun with a large literal, and otherwise the command.
test.each([
  ['UID BINARY.PEEK[1] BINARY.PEEK[2]', []],
  ['UID BODY.PEEK[1] BINARY.SIZE[2]', []],
  ['FLAGS BODY.PEEK[1] BINARY.PEEK[2]', ['2 FETCH (UID 2 FLAGS ())']],
])('UID FETCH (%s) goes on without a message whose transfer encoding is not known', async (items, ofSecond) => {
  const { client, logged } = await open(UNDECODABLE)
  expect(await client.command(`UID FETCH 1:3 (${items})`)).toMatchObject({
    ...{ status: 'NO', text: expect.stringMatching(/^\[UNKNOWN-CTE\] .*: UID 2$/) },
    untagged: [expect.stringMatching(/^1 FETCH /), ...ofSecond, expect.stringMatching(/^3 FETCH /)],
  })
  expect(await client.ok('UID FETCH 2 BINARY.SIZE[1]')).toEqual(['2 FETCH (UID 2 BINARY.SIZE[1] 100000)'])
  expect(await client.ok('UID FETCH 2 BINARY.SIZE[9]')).toEqual(['2 FETCH (UID 2 BINARY.SIZE[9] NIL)'])
  expect(logged.filter((line) => line.includes('failed'))).toEqual([])
})

test('a message whose parts cannot be decoded stays unread, and is named beside one that is damaged', async () => {
  const { client, inbox } = await open(UNDECODABLE)
  const { messages } = inbox.mailboxes.get('Work')!
  messages.set(3, { ...messages.get(3)!, isDamaged: true })
  expect(await client.command('FETCH 1:3 (BINARY[1] BINARY[2])')).toMatchObject({
    text: expect.stringMatching(/^\[CORRUPTION\] .* cannot be read: UID 3; .* encoding is not known: UID 2$/),
    untagged: [expect.stringMatching(/^1 FETCH .* FLAGS \(\\Seen\)\)$/s)],
  })
  expect(await client.ok('FETCH 1:3 FLAGS')).toEqual([
    '1 FETCH (FLAGS (\\Seen))',
    '2 FETCH (FLAGS ())',
    '3 FETCH (FLAGS ())',
  ])
})

test.each(['BINARY.SIZE[1]', 'BODY.PEEK[HEADER.FIELDS (A)]', 'BODY.PEEK[1]<0.10>'])(
  'FETCH of 200 times %s lets other work run between them',
  async (item) => {
    // Work that waits begins in another turn.
    const { client } = await open(UNDECODABLE, { server: { workMs: 0 } })
    const fetched = client.ok(`FETCH 2 (${Array(200).fill(item).join(' ')})`)
    expect(await turnsOf(fetched)).toBeGreaterThan(150)
    expect((await fetched)[0]!.split(item.replace('.PEEK', '').replace(/<0.*/, ''))).toHaveLength(201)
  },
)

test('FETCH of the parts of one message lets other work run between them before it begins the response', async () => {
  const parts = Array.from({ length: 90 }, (_, index) => index + 1)
  const raw = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(90)}--b--\r\n`
  const { client } = await open(raw, { server: { workMs: 0 } })
  const items = parts.map((part) => `BINARY.SIZE[${part}]`)
  expect(await turnsOf(client.ok(`FETCH 2 (${items.join(' ')})`))).toBeGreaterThan(2 * 80)
})

async function turnsOf(work: Promise<unknown>): Promise<number> {
  let isDone = false
  let turns = 0
  const done = work.finally(() => {
    isDone = true
  })
  for (; !isDone; turns += 1) await nextTurn()
  await done
  return turns
}
