/** Every limit of a connection, and the reply when it is exceeded. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

test('a command line that is too long is refused, and the next one is read', async () => {
  const { port } = await startListener({ smtp: { commandBytesMax: 512 } })
  const client = await RawClient.open(port)
  expect(await client.command(`NOOP ${'x'.repeat(512 - 'NOOP \r\n'.length)}`)).toBe('250 2.0.0 Ok')
  expect(await client.command(`NOOP ${'x'.repeat(513 - 'NOOP \r\n'.length)}`)).toBe('500 5.5.2 Line too long')
  client.send('x'.repeat(300_000))
  expect(await client.command('')).toBe('500 5.5.2 Line too long')
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
})

test('one recipient too many is refused temporarily, and those before it get the message', async () => {
  const { port, receiving } = await startListener({ smtp: { recipientsMax: 2, errorsMax: 2 } })
  const client = await RawClient.open(port, 'peer.test')
  await client.command('MAIL FROM:<>')
  const received: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'a']) {
    received.push(await client.command(`RCPT TO:<${name}@mail.example.test>`))
  }
  const full = '452 4.5.3 Too many recipients; send the rest in another transaction'
  const ok = '250 2.1.5 Recipient ok'
  expect(received).toEqual([ok, ok, full, full, full, full, ok])
  await client.command('DATA')
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  expect(receiving.filed[0]?.envelope.recipients).toEqual(['a@mail.example.test', 'b@mail.example.test'])
})

test('a connection with too many refusals is closed with 421', async () => {
  const { port } = await startListener({ smtp: { errorsMax: 3 } })
  const client = await RawClient.open(port)
  client.send('XYZZY\r\n'.repeat(5))
  const unknown = '500 5.5.1 Command not recognized'
  expect(await client.replies(4)).toEqual([unknown, unknown, unknown, '421 4.7.0 Too many errors in one connection'])
  expect(await client.rest()).toBe('')
})

test('a connection with too many commands is closed with 421', async () => {
  const { port } = await startListener({ smtp: { commandsMax: 3 } })
  const client = await RawClient.open(port)
  client.send('NOOP\r\n'.repeat(5))
  expect((await client.replies(4)).at(-1)).toBe('421 4.7.0 Too many commands in one connection')
  expect(await client.rest()).toBe('')
})

test('an idle connection gets 421 4.4.2', async () => {
  const { port } = await startListener({ smtp: { idleMs: 500 } })
  const client = await RawClient.open(port)
  expect(await client.reply()).toBe('421 4.4.2 Idle for too long; closing the connection')
  expect(await client.rest()).toBe('')
})

test('a message that stops in the middle is aborted and not stored', async () => {
  const { port, receiving } = await startListener({ smtp: { idleMs: 500 } })
  const client = await RawClient.inData(port)
  client.send('Subject: half')
  expect(await client.reply()).toMatch(/^421 4\.4\.2 /)
  expect(await receiving.firstFailure).toMatchObject({ name: 'PeerGone' })
  expect(receiving.filed).toEqual([])
})

test('time that the server itself needs does not count as idle time of the peer', async () => {
  const { port, receiving } = await startListener({ smtp: { idleMs: 500 } })
  const { gate, reached, open } = createGate()
  receiving.beforeCommit = gate
  const client = await RawClient.inData(port)
  client.send('x\r\n.\r\n')
  await reached
  await new RawClient(port).closed // by now another connection has reached the idle limit
  open()
  expect(await client.reply()).toMatch(/^250 /)
})

test('a connection that has begun no transaction is closed sooner', async () => {
  const { port } = await startListener({ smtp: { idleBeforeMailMs: 500 } })
  const sending = await RawClient.open(port, 'peer.test')
  await sending.command('MAIL FROM:<>')
  await sending.command('RSET')
  const waiting = await RawClient.open(port, 'peer.test')
  expect(await waiting.reply()).toBe('421 4.4.2 Idle for too long; closing the connection')
  expect(await waiting.rest()).toBe('')
  expect(await sending.command('NOOP')).toBe('250 2.0.0 Ok') // it has been idle for longer
})

test('one address cannot use all connections, and a closed connection frees its slot', async () => {
  const { port, metrics, untilLogged, logged } = await startListener({ smtp: { connectionsPerNetworkMax: 2 } })
  const first = await RawClient.open(port)
  await RawClient.open(port)
  const refused = new RawClient(port)
  expect(await refused.reply()).toBe('421 4.7.0 Too many connections; try again later')
  expect(await refused.rest()).toBe('')
  expect((await metrics.smtpConnections.get()).values[0]?.value).toBe(2)
  expect(await new RawClient(port, '', '127.0.0.2').reply()).toMatch(/^220 /)

  logged.length = 0 // also ignores the close of the refused connection
  await first.command('QUIT')
  await untilLogged('SMTP connection closed')
  expect(await new RawClient(port).reply()).toMatch(/^220 /)
})

describe('at the maximum of connections', () => {
  const evicted = '421 4.3.2 The connection limit is reached and this one was not in use; connect again'

  // A thousand silent connections from ten addresses used to make every other peer get 421 for five minutes.
  test('idle connections do not block other peers', async () => {
    const { port, receiving, metrics } = await startListener({
      smtp: { connectionsMax: 60, connectionsPerNetworkMax: 6 },
    })
    const opening = Array.from({ length: 60 }, (_, i) => RawClient.open(port, undefined, `127.0.0.${2 + (i % 10)}`))
    const waiting = await Promise.all(opening)
    const honest = await RawClient.inData(port)
    expect(await honest.command('x\r\n.')).toMatch(/^250 /)
    expect(receiving.filed).toHaveLength(1)
    await expect.poll(() => waiting.filter(({ unread }) => unread === `${evicted}\r\n`).length).toBe(1)
    await expect.poll(async () => (await metrics.smtpConnections.get()).values[0]?.value).toBe(60)
  })

  test('the network with the most connections loses the one that has been idle longest', async () => {
    const { port } = await startListener({ smtp: { connectionsMax: 4 } })
    const alone = await RawClient.open(port, undefined, '127.0.0.3')
    const [first, second, third] = [
      await RawClient.open(port, undefined, '127.0.0.2'),
      await RawClient.open(port, undefined, '127.0.0.2'),
      await RawClient.open(port, undefined, '127.0.0.2'),
    ]
    await first.command('NOOP')

    expect(await new RawClient(port, '', '127.0.0.4').reply()).toMatch(/^220 /)

    expect(await second.rest()).toBe(`${evicted}\r\n`)
    for (const client of [alone, first, third]) expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
  })

  test('a connection whose handshake never begins, and one that lingers after QUIT, are evicted as well', async () => {
    const { port } = await startListener({ smtp: { connectionsMax: 2 } })
    const handshaking = await RawClient.open(port, 'peer.test')
    await handshaking.command('STARTTLS')
    const leaving = await RawClient.open(port)
    leaving.socket.allowHalfOpen = true
    await leaving.command('QUIT')
    const first = await RawClient.open(port, undefined, '127.0.0.2')
    await handshaking.closed
    expect(await new RawClient(port, '', '127.0.0.3').reply()).toMatch(/^220 /)
    expect(await first.command('NOOP')).toBe('250 2.0.0 Ok') // so the lingering one was evicted
  })

  test('a connection with a transaction under way stays; if all have one, the new connection is refused', async () => {
    const { port } = await startListener({ smtp: { connectionsMax: 2 } })
    const sending = await RawClient.inData(port)
    const beginning = await RawClient.open(port, 'peer.test')
    await beginning.command('MAIL FROM:<>')
    const refused = new RawClient(port, '', '127.0.0.2')
    expect(await refused.reply()).toBe('421 4.7.0 Too many connections; try again later')

    expect(await sending.command('x\r\n.')).toMatch(/^250 /)
    expect(await new RawClient(port, '', '127.0.0.2').reply()).toMatch(/^220 /)
    expect(await sending.rest()).toBe(`${evicted}\r\n`)
    expect(await beginning.command('NOOP')).toBe('250 2.0.0 Ok')
  })

  test('a message without progress is evicted, and one with progress is not', async () => {
    const limits = { smtp: { connectionsMax: 2, stalledMs: 1_500, progressBytes: 1_000 } }
    const { port, receiving } = await startListener(limits)
    const steady = await RawClient.inData(port)
    const stalled = await RawClient.inData(port)
    const newcomer = async () => {
      stalled.send('x')
      steady.send('x'.repeat(500))
      return new RawClient(port, '', '127.0.0.2').reply()
    }
    expect(await newcomer()).toMatch(/^421 4\.7\.0 /)
    await expect.poll(newcomer).toMatch(/^220 /)
    expect(await stalled.rest()).toBe(`${evicted}\r\n`)
    expect(await receiving.firstFailure).toMatchObject({ name: 'PeerGone' })
    expect(await steady.command('\r\n.')).toMatch(/^250 /)
  })

  test('beginning a transaction again and again is not progress', async () => {
    const { port } = await startListener({ smtp: { connectionsMax: 1, stalledMs: 200 } })
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<>')
    await expect
      .poll(async () => {
        client.send('RSET\r\nMAIL FROM:<>\r\n')
        await client.replies(2).catch(() => []) // once it is evicted
        return new RawClient(port, '', '127.0.0.2').reply()
      })
      .toMatch(/^220 /)
  })

  test('a message that waits for the server is not evicted', async () => {
    const { port, receiving } = await startListener({ smtp: { connectionsMax: 1, stalledMs: 1 } })
    const { gate, reached, open } = createGate()
    receiving.beforeCommit = gate
    const client = await RawClient.inData(port)
    client.send('x\r\n.\r\n')
    await reached
    for (let count = 0; count < 20; count++) {
      expect(await new RawClient(port, '', '127.0.0.2').reply()).toMatch(/^421 4\.7\.0 /)
    }
    open()
    expect(await client.reply()).toMatch(/^250 /)
  })
})

test('a message that is too large is read to its end and refused with 552, and the connection continues', async () => {
  const { port, receiving } = await startListener()
  receiving.bytesMax = 100_000
  const client = await RawClient.inData(port)
  client.send(`${'x'.repeat(998)}\r\n`.repeat(5_000))
  client.send('.\r\n')
  expect(await client.reply()).toBe('552 5.3.4 The message is larger than 100000 bytes')
  expect(receiving.filed).toEqual([])

  await client.command('MAIL FROM:<>')
  await client.command('RCPT TO:<ada@mail.example.test>')
  await client.command('DATA')
  expect(await client.command('small\r\n.')).toMatch(/^250 /)
  expect(receiving.texts).toEqual(['small\r\n'])
})

test('if the core fails before it reads, the message is still read and then refused', async () => {
  const { port, receiving } = await startListener()
  receiving.beforeRead = () => {
    throw new MailError('disk_full', {})
  }
  const client = await RawClient.inData(port)
  client.send(`${'x'.repeat(998)}\r\n`.repeat(5_000))
  client.send('.\r\n')
  expect(await client.reply()).toMatch(/^452 4\.3\.1 /)
  expect(await client.command('NOOP')).toMatch(/^250 /)
})

// Node does not call back a write that waits for the reader of a destroyed stream: the connection used to stay open.
test('if the core fails while the peer is slowed down, the rest is still read and then refused', async () => {
  const { port, receiving } = await startListener()
  const { gate, open } = createGate()
  receiving.beforeRead = async () => {
    await gate()
    throw new MailError('disk_full', {})
  }
  const client = await RawClient.inData(port)
  client.send(`${'x'.repeat(998)}\r\n`.repeat(5_000))
  client.send('.\r\n')
  await RawClient.open(port) // takes some turns of the event loop, in which the buffers fill
  open()
  expect(await client.reply()).toMatch(/^452 4\.3\.1 /)
  expect(await client.command('NOOP')).toMatch(/^250 /)
})

test('a slow core slows the peer down instead of filling memory', async () => {
  const { port, receiving } = await startListener()
  const { gate, reached, open } = createGate()
  receiving.beforeRead = gate
  const client = await RawClient.inData(port)
  const block = Buffer.alloc(1 << 20, 'x')
  for (let sent = 0; sent < 32; sent++) client.send(block)
  client.send('\r\n.\r\n')
  await reached
  const other = await RawClient.open(port, 'other.test')
  // Long enough for an unlimited reader to read everything.
  for (let turn = 0; turn < 500; turn++) await other.command('NOOP')
  // The kernel's buffers are full, and the rest waits in the client.
  expect(client.socket.writableLength).toBeGreaterThan(8 << 20)
  open()
  expect(await client.reply()).toMatch(/^250 /)
  expect(receiving.filed[0]?.raw).toHaveLength((32 << 20) + 2)
})

test('refusals are counted by code and reason', async () => {
  const { port, metrics } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  await client.command('MAIL FROM:<>')
  await client.command('RCPT TO:<nobody@mail.example.test>')
  await client.command('XYZZY')
  const counted = (await metrics.smtpRefusals.get()).values.map(({ labels, value }) => [
    labels.code,
    labels.reason,
    value,
  ])
  expect(counted).toEqual([
    [550, 'unknown_recipient', 1],
    [500, 'syntax', 1],
  ])
})

// Each turn of the event loop accepted one connection, so 50 that waited were greeted after 50 commits.
test('all connections that wait are greeted before other work continues', async () => {
  const { port, eventLoop } = await startListener({ server: { acceptMs: 60_000 } })
  let isOver = false
  let worked = 0
  const work = async () => {
    for (; !isOver; worked += 1) await eventLoop.nextTurn()
  }
  const clients = Array.from({ length: 50 }, () => new RawClient(port))
  await Promise.all(clients.map(({ socket }) => once(socket, 'connect'))) // the system has them, the server does not
  const working = work()
  await Promise.all(clients.map((client) => client.reply()))
  expect(worked).toBeLessThan(25)
  isOver = true
  await working
})

test('an overloaded server refuses a new connection with 421 at once, and serves those that are open', async () => {
  const { port, receiving, metrics, untilLogged } = await startListener()
  const client = await RawClient.inData(port)
  receiving.overloaded = true
  const refused = new RawClient(port)
  expect(await refused.reply()).toBe('421 4.4.5 The server is overloaded; try again later')
  expect(await refused.rest()).toBe('')
  await untilLogged('"reason":"overloaded"')
  expect(await metrics.registry.metrics()).toContain('reason="overloaded"} 1')
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  receiving.overloaded = false
  await RawClient.open(port)
})
