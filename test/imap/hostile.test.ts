/** Limits, time, memory and the end of connections: what a server must do about clients that are slow, greedy or gone. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { ImapRefusal } from '../../src/edges/imap/session/mail-store.ts'
import { type Answer, ImapClient } from './imap-client.ts'
import { type MemoryServer, messageWith, openMailbox, startMemoryServer } from './imap-under-test.ts'

async function start(imap: LimitOverrides['imap'] = {}, options = {}): Promise<MemoryServer> {
  const server = await startMemoryServer({ imap }, options)
  onTestFinished(() => server.stop())
  return server
}

test('no login without TLS, unless the operator allows it for this machine', async () => {
  const server = await start({}, { allowsPlainLoopback: false })
  const { user, password } = await server.createAccount()
  const client = await ImapClient.open(server.port)
  expect(client.greeting).toMatch(/LOGINDISABLED/)
  expect(client.greeting).not.toMatch(/AUTH=/)
  for (const command of [`LOGIN ${user} ${password}`, 'AUTHENTICATE PLAIN', 'AUTHENTICATE LOGIN AA==']) {
    expect(await client.command(command)).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[PRIVACYREQUIRED\]/),
    })
  }
  await client.ok('STARTTLS')
  await client.startTls()
  await client.ok(`LOGIN ${user} ${password}`)
})

test.each(['{8193}', '{8193+}', '{99999999999}'])('before the login, a literal of %s ends with BYE', async (size) => {
  const server = await start()
  const client = await ImapClient.open(server.port)
  client.send(`a LOGIN ${size}\r\n`)
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('before the login, many small literals end with BYE too', async () => {
  const server = await start()
  const client = await ImapClient.open(server.port)
  client.send(`a LOGIN ${'{8000+}\r\n'.concat('x'.repeat(8_000)).repeat(3)}\r\n`)
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('a line that does not end ends with BYE', async () => {
  const server = await start({ lineBytesMax: 1_000 })
  const client = await ImapClient.open(server.port)
  client.send('a'.repeat(2_000))
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('after the login, a literal that is too large is refused, or ends the connection if it does not wait', async () => {
  const server = await start({ commandBytesMax: 1_000 })
  const [client] = await openMailbox(server)
  expect(await client!.withLiterals('SEARCH TEXT ', 'x'.repeat(2_000))).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[TOOBIG\]/),
  })
  await client!.ok('NOOP')
  client!.send('z SEARCH TEXT {2000+}\r\n')
  expect(await client!.response()).toMatch(/^\* BYE /)
  await client!.closed
})

test('APPEND of a message that another client moves at once is OK, without APPENDUID', async () => {
  const server = await start()
  const { user, password } = await server.createAccount()
  server.store.inboxes.get(user)!.movesAppended = true
  const client = await ImapClient.logIn(server.port, { user, password })
  expect(await client.append('INBOX', messageWith('one'))).toMatchObject({ status: 'OK', text: 'APPEND completed' })
})

test('a message that is too large: NO [TOOBIG] at once; one that does not wait is read and thrown away', async () => {
  const server = await start({ skippedBytesMax: 10_000 }, { messageBytesMax: 1_000 })
  const [client] = await openMailbox(server)
  expect(await client!.withLiterals('APPEND Work ', 'x'.repeat(2_000))).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[TOOBIG\]/),
  })
  expect(await client!.append('Work', 'x'.repeat(2_000))).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[TOOBIG\]/),
  })
  await client!.ok('NOOP')
  client!.send('z APPEND Work {10001+}\r\n')
  expect(await client!.response()).toMatch(/^\* BYE /)
  await client!.closed
})

test('a message of exactly the size limit is appended, and one with a byte more is refused', async () => {
  const server = await start({}, { messageBytesMax: 1_000 })
  const [client] = await openMailbox(server)
  const message = (bytes: number) => messageWith('exact', 'x'.repeat(bytes - messageWith('exact', '').length))
  expect(await client!.append('Work', message(1_000))).toMatchObject({ status: 'OK' })
  const refused = { status: 'NO', text: '[TOOBIG] the message is too large' }
  expect(await client!.append('Work', message(1_001))).toMatchObject(refused)
  expect(await client!.withLiterals('APPEND Work ', message(1_001))).toMatchObject(refused)
})

test('commands that are BAD end the connection at some time', async () => {
  const server = await start({ badCommandsMax: 3 })
  const client = await ImapClient.open(server.port)
  for (let i = 0; i < 4; i++) expect(await client.command('X')).toMatchObject({ status: 'BAD' })
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('logins that fail end the connection', async () => {
  const server = await start({ loginsMax: 2 })
  const client = await ImapClient.open(server.port)
  expect(await client.command('LOGIN a b')).toMatchObject({ status: 'NO' })
  expect(await client.command('LOGIN a b')).toMatchObject({ status: 'NO' })
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('connections per inbox and per network are limited, and free again when they end', async () => {
  const server = await start({ connectionsPerAccountMax: 2, connectionsPerNetworkMax: 4 })
  const account = await server.createAccount()
  const first = await ImapClient.logIn(server.port, account)
  await ImapClient.logIn(server.port, account)
  const third = await ImapClient.open(server.port)
  expect(await third.command(`LOGIN ${account.user} ${account.password}`)).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[LIMIT\]/),
  })
  await ImapClient.open(server.port)
  const fifth = await ImapClient.open(server.port)
  expect(fifth.greeting).toMatch(/^\* BYE /)
  await ImapClient.open(server.port, { localAddress: '127.0.0.2' })
  await first.ok('LOGOUT')
  await first.closed
  await third.ok(`LOGIN ${account.user} ${account.password}`)
})

test('when all connections are in use, a new one replaces one that has not logged in', async () => {
  const server = await start({ connectionsMax: 2 })
  const account = await server.createAccount()
  const idle = await ImapClient.open(server.port)
  const first = await ImapClient.logIn(server.port, account)
  const second = await ImapClient.logIn(server.port, account)
  await idle.closed
  expect((await ImapClient.open(server.port)).greeting).toMatch(/^\* BYE /)
  await first.ok('NOOP')
  await second.ok('NOOP')
})

test('a client that does not log in, or says nothing, is sent away', async () => {
  const server = await start({ sweepMs: 20, loginMs: 1_000, idleMs: 1_000, dataIdleMs: 500 })
  const account = await server.createAccount()
  const stranger = await ImapClient.open(server.port)
  const silentTls = connect(server.tlsPort, '127.0.0.1')
  onTestFinished(() => void silentTls.destroy())
  const idle = await ImapClient.logIn(server.port, account)
  const waiting = await ImapClient.logIn(server.port, account)
  const inLiteral = await ImapClient.logIn(server.port, account)
  waiting.begin('IDLE')
  inLiteral.send('x APPEND INBOX {100}\r\n')
  await expect(stranger.response()).resolves.toMatch(/^\* BYE /)
  await once(silentTls, 'close')
  expect(await waiting.response()).toMatch(/^\+/)
  for (const client of [idle, waiting]) expect(await client.response()).toMatch(/^\* BYE idle/)
  expect(await inLiteral.response()).toMatch(/^\+/)
  expect(await inLiteral.response()).toMatch(/^\* BYE idle/)
  for (const client of [stranger, idle, waiting, inLiteral]) await client.closed
  await expect.poll(() => server.store.inboxes.get(account.user)!.openCount).toBe(0)
})

test('a revoked credential ends idle sessions with BYE, and closes everything', async () => {
  const server = await start()
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  const idle = await ImapClient.logIn(server.port, account)
  const waiting = await ImapClient.logIn(server.port, account)
  await waiting.ok('SELECT INBOX')
  waiting.begin('IDLE')
  expect(await waiting.response()).toMatch(/^\+/)
  expect(inbox.inbox.listenerCount).toBe(1)
  inbox.revoke()
  for (const client of [idle, waiting]) {
    expect(await client.response()).toMatch(/^\* BYE /)
    await client.closed
  }
  const counts = () => [inbox.openCount, inbox.revocations.size, inbox.inbox.listenerCount]
  await expect.poll(counts).toEqual([0, 0, 0])
})

test('a revoked credential ends a FETCH whose client reads slowly', async () => {
  const server = await start()
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  const raw = Buffer.alloc(100_000, 'Subject: x\r\n\r\n')
  inbox.inbox.append(Array.from({ length: 500 }, () => ({ raw })))
  const client = await ImapClient.logIn(server.port, account)
  await client.ok('SELECT INBOX')
  client.send('x FETCH 1:* BODY.PEEK[]\r\n')
  await once(client.socket, 'data')
  client.socket.pause()
  inbox.revoke()
  await expect.poll(() => inbox.openCount).toBe(0)
})

test('a stop sends BYE to idle sessions and lets a running command finish', async () => {
  const server = await start()
  const [idle] = await openMailbox(server)
  const account = await server.createAccount()
  const busy = await ImapClient.logIn(server.port, account)
  const message = messageWith('late')
  busy.send(`x APPEND INBOX {${message.length}}\r\n`)
  expect(await busy.response()).toMatch(/^\+/)
  const stopped = server.servers.imap!.stop(10_000)
  expect(await idle!.response()).toMatch(/^\* BYE \[UNAVAILABLE\]/)
  busy.send(`${message}\r\n`)
  expect(await busy.response()).toMatch(/^x OK/)
  expect(await busy.response()).toMatch(/^\* BYE/)
  await stopped
})

test('a stop cuts what does not end in time', async () => {
  const server = await start()
  const busy = await ImapClient.logIn(server.port, await server.createAccount())
  busy.send('x APPEND INBOX {100}\r\n')
  expect(await busy.response()).toMatch(/^\+/)
  await server.servers.imap!.stop(50)
  await busy.closed
})

test('a client that does not read pauses its FETCH, costs no more memory, and is cut', async () => {
  const server = await start({ outputStalledMs: 300 })
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  const raw = Buffer.alloc(100_000, 'Subject: x\r\n\r\n')
  inbox.inbox.append(Array.from({ length: 500 }, () => ({ raw })))
  const client = await ImapClient.logIn(server.port, account)
  await client.ok('SELECT INBOX')
  client.socket.pause()
  const before = process.memoryUsage()
  client.send('x FETCH 1:* BODY.PEEK[]\r\n')
  await expect.poll(() => inbox.openCount).toBe(0) // it was cut
  const after = process.memoryUsage()
  expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(20_000_000)
})

test('a message that is too large for memory is streamed; one that breaks off ends the connection', async () => {
  const server = await start()
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  inbox.largeBytes = 1_000
  const text = `Subject: large\r\nContent-Transfer-Encoding: base64\r\n\r\n${'QUJD\r\n'.repeat(20_000)}`
  inbox.inbox.append([{ raw: Buffer.from(text) }])
  const client = await ImapClient.logIn(server.port, account)
  await client.ok('SELECT INBOX')
  expect(await client.ok('FETCH 1 (BODY.PEEK[] UID)')).toEqual([`1 FETCH (BODY[] {${text.length}}\r\n${text} UID 1)`])
  expect(await client.ok('FETCH 1 BODY.PEEK[]<100000.50>')).toEqual([
    `1 FETCH (BODY[]<100000> {50}\r\n${text.slice(100_000, 100_050)})`,
  ])
  expect(await client.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]')).toEqual([
    '1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: large\r\n\r\n)',
  ])
  expect(await client.ok('FETCH 1 BINARY.SIZE[1]')).toEqual(['1 FETCH (BINARY.SIZE[1] 60000)'])
  client.send('y FETCH 1 BINARY.PEEK[1]<3.6>\r\n')
  expect(await client.response()).toBe('* 1 FETCH (BINARY[1]<3> ~{6}\r\nABCABC)')
})

test('an error of the store is NO [SERVERBUG], and the session goes on', async () => {
  const server = await start()
  const [client] = await openMailbox(server)
  const inbox = [...server.store.inboxes.values()][0]!
  const { messages } = inbox.mailboxes.get('Work')!
  const broken = messages.get(2)!
  Object.defineProperty(broken, 'structure', { get: () => { throw new Error('broken') } }) // biome-ignore format: one line
  const answer = await client!.command('FETCH 1:3 BODY.PEEK[1]')
  expect(answer).toMatchObject({ status: 'NO', text: expect.stringMatching(/^\[SERVERBUG\]/) })
  for (const response of answer.untagged) expect(response).toMatch(/^1 FETCH \(.*\)$/s)
  await client!.ok('NOOP')
  expect(server.logged.some((line) => line.includes('IMAP command failed'))).toBe(true)
})

test('FETCH goes on without a message that is deleted while it waits for its structure', async () => {
  // It was NO [NONEXISTENT], and the messages after it were not sent.
  const server = await start()
  const [client] = await openMailbox(server)
  const inbox = [...server.store.inboxes.values()][0]!
  const deleted = inbox.mailboxes.get('Work')!.messages.get(2)!
  Object.defineProperty(deleted, 'structure', { get: () => { throw new ImapRefusal('NONEXISTENT', 'deleted') } }) // biome-ignore format: one line
  const numbers = ({ untagged }: Answer) => untagged.map((line) => line.slice(0, line.indexOf(' ')))
  const answer = await client!.command('FETCH 1:3 BODY.PEEK[1]')
  expect(answer).toMatchObject({ status: 'NO', text: expect.stringMatching(/^\[EXPUNGEISSUED\]/) })
  expect(numbers(answer)).toEqual(['1', '3'])
  const byUid = await client!.command('UID FETCH 1:3 BODY.PEEK[1]')
  expect([byUid.status, numbers(byUid)]).toEqual(['OK', ['1', '3']])
})

test('a client that leaves in the middle of a literal is no error', async () => {
  const server = await start()
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  inbox.largeBytes = 1_000
  inbox.inbox.append([{ raw: Buffer.alloc(50_000_000, 'x') }])
  const client = await ImapClient.logIn(server.port, account)
  await client.ok('SELECT INBOX')
  client.send('x FETCH 1 BODY.PEEK[]\r\n')
  await once(client.socket, 'data')
  client.destroy()
  await expect.poll(() => inbox.openCount).toBe(0)
  expect(server.logged.filter((line) => line.includes('IMAP connection failed'))).toEqual([])
})

test('SEARCH goes on without a message that is damaged, and warns of it', async () => {
  const server = await start()
  const [client] = await openMailbox(server)
  const inbox = [...server.store.inboxes.values()][0]!
  inbox.mailboxes.get('Work')!.messages.get(2)!.isDamaged = true
  expect(await client!.command('SEARCH TEXT one')).toEqual({
    ...{ status: 'OK', text: 'SEARCH completed' },
    untagged: ['NO [CORRUPTION] messages that cannot be read, and are not in the result: 1', 'SEARCH 1'],
  })
})

test('FETCH sends everything that can be read, and its answer names the messages that are damaged', async () => {
  const server = await start()
  const [client] = await openMailbox(server)
  const inbox = [...server.store.inboxes.values()][0]!
  inbox.mailboxes.get('Work')!.messages.get(2)!.isDamaged = true
  const unreadable = { status: 'NO', text: '[CORRUPTION] messages that cannot be read: UID 2' }
  const answer = await client!.command('FETCH 1:3 (FLAGS ENVELOPE BODYSTRUCTURE BODY[])')
  expect(answer).toMatchObject(unreadable)
  const fetched = (number: number) => answer.untagged.filter((line) => line.startsWith(`${number} FETCH`))
  for (const number of [1, 3]) expect(fetched(number)).toEqual([expect.stringMatching(/BODYSTRUCTURE .*BODY\[\] \{/s)])
  // What was not sent stays unread.
  expect(fetched(2)).toEqual([expect.stringMatching(/^2 FETCH \(FLAGS \(\) ENVELOPE \(.*\)\)$/)])
  expect(await client!.ok('FETCH 1:3 FLAGS')).toEqual([
    '1 FETCH (FLAGS (\\Seen))',
    '2 FETCH (FLAGS ())',
    '3 FETCH (FLAGS (\\Seen))',
  ])
  // A program would take a response without a content for an empty message.
  expect(await client!.command('UID FETCH 2 BODY.PEEK[]')).toMatchObject({ ...unreadable, untagged: [] })
  expect(await client!.ok('FETCH 2 (ENVELOPE RFC822.SIZE)')).toEqual([expect.stringContaining('RFC822.SIZE')])
})

test('commands that are sent ahead wait in the network, not in memory', async () => {
  const server = await start({ pipelinedBytesMax: 1_000 })
  const client = await ImapClient.logIn(server.port, await server.createAccount())
  const count = 20_000
  client.send(Array.from({ length: count }, (_, i) => `p${i} NOOP\r\n`).join(''))
  for (let i = 0; i < count; i++) expect(await client.response()).toBe(`p${i} OK NOOP completed`)
})

test('a client that sends its commands and closes its side gets all answers', async () => {
  const server = await start()
  const { user, password } = await server.createAccount()
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
  })
  socket.end(`a LOGIN ${user} ${password}\r\nb SELECT INBOX\r\nc NOOP\r\n`)
  await once(socket, 'close')
  expect(received).toMatch(/\r\nc OK NOOP completed\r\n$/)
})

test('1,000 connections that speak slowly cost bounded memory', async () => {
  const server = await start({ connectionsPerNetworkMax: 2_000, lineBytesMax: 4_096 })
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => ImapClient.open(server.port)))
  const before = process.memoryUsage()
  for (let i = 0; i < 20; i++) {
    for (const client of clients) client.send('x'.repeat(100))
    await new Promise(setImmediate)
  }
  await (await ImapClient.open(server.port)).ok('NOOP')
  const after = process.memoryUsage()
  // 2,000 bytes of each, with room for growth; clients and server are in one process
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1_000 * 16_000)
})
