/**
 * Tests the target for remote mail servers, with messages that Martlet's own composer would not create, and with time
 * limits.
 */
import { describe, expect, test } from 'vitest'

import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import type { Handover } from '../../src/mail/sending/targets/delivery-target.ts'
import { createRemoteTarget } from '../../src/mail/sending/targets/remote-target.ts'
import { createDns } from '../../src/net/dns/dns.ts'
import { startDns, type Zones } from '../support/dns-server.ts'
import { type Behaviour, mxAddress, startMxs } from '../support/fake-mx.ts'

async function target(behaviours: readonly Behaviour[], limited: LimitOverrides = {}, random = () => 0.5) {
  const { mxs, port, [Symbol.asyncDispose]: close } = await startMxs(...behaviours)
  const zones: Zones = {
    'a.test': { MX: behaviours.map((_, index) => ({ preference: 10, exchange: `mx${index}.a.test` })) },
  }
  for (const index of behaviours.keys()) zones[`mx${index}.a.test`] = { A: [mxAddress(index)] }
  const server = await startDns(zones)
  const limits = withLimits(limited)
  const dns = createDns({ servers: [server.address], limits })
  const remote = createRemoteTarget({ dns, limits, hostname: 'me.test', port, allowPrivateNetworks: true, random })
  return {
    ...{ mxs, server, close: () => remote.close() },
    deliver: (mail: string | Partial<Handover>, signal = new AbortController().signal) =>
      remote.deliver(typeof mail === 'string' ? handover(mail) : { ...handover('x: y\r\n\r\nz\r\n'), ...mail }, signal),
    async [Symbol.asyncDispose]() {
      remote.close()
      await server[Symbol.asyncDispose]()
      await close.call(undefined)
    },
  }
}

function handover(mail: string, chunkBytes = 7): Handover {
  const bytes = Buffer.from(mail)
  return {
    ...{
      submissionId: 's',
      contentId: 'c',
      organizationId: 'o',
      sender: 'ada@me.test',
      recipients: ['zoe@a.test'],
      sizeBytes: bytes.length,
    },
    async *read() {
      for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
    },
  }
}

test.each(['8BITMIME', 'SMTPUTF8'])('8-bit text is sent to a server that accepts it (%s)', async (extension) => {
  await using all = await target([{ extensions: [extension] }])
  const mail = 'Subject: x\r\n\r\ngrüße\r\n.\r\n..\r\nlast line without end'
  expect(await all.deliver(mail)).toMatchObject([{ kind: 'delivered' }])
  const caught = await all.mxs[0]!.mail()
  expect(caught.from).toBe(`<ada@me.test>${extension === '8BITMIME' ? ' BODY=8BITMIME' : ''}`)
  expect(Buffer.from(caught.data, 'latin1').toString()).toBe(`${mail}\r\n`)
})

test('8-bit text is not sent to a server that does not accept it', async () => {
  await using all = await target([{ extensions: [] }])
  const [outcome] = await all.deliver('Subject: x\r\n\r\ngrüße\r\n')
  expect(outcome).toMatchObject({ kind: 'failed_for_good', enhancedCode: '5.6.3' })
  expect(outcome!.reply).toMatch(/^mx0\.a\.test does not accept 8-bit text \(it lacks 8BITMIME\)/)
  expect(all.mxs[0]!.commands).not.toContain('DATA')
})

test('an 8-bit header needs SMTPUTF8, at any split into chunks', async () => {
  await using all = await target([{ extensions: ['8BITMIME'] }])
  const mail = 'Subject: 12345\r\nTo: zoë@a.test\r\n\r\nplain\r\n'
  for (const chunkBytes of [1, 2, 3, 19, 1_000]) {
    const { read } = handover(mail, chunkBytes)
    const [outcome] = await all.deliver({ read })
    expect(outcome).toMatchObject({ kind: 'failed_for_good', enhancedCode: '5.6.7' })
    // The addresses of the envelope are ASCII: the reason named them.
    expect(outcome!.reply).toMatch(/^mx0\.a\.test does not accept a header with non-ASCII characters/)
  }
})

test('an international sender needs SMTPUTF8', async () => {
  await using all = await target([{}])
  const [outcome] = await all.deliver({ sender: 'zoë@me.test' })
  expect(outcome).toMatchObject({ kind: 'failed_for_good', enhancedCode: '5.6.7' })
})

test('an 8-bit body alone needs no SMTPUTF8, at any split into chunks', async () => {
  await using all = await target([{ extensions: ['8BITMIME'] }])
  for (const chunkBytes of [1, 2, 3, 5, 1_000]) {
    const { read } = handover('A: b\r\n\r\nü\r\n', chunkBytes)
    expect(await all.deliver({ read })).toMatchObject([{ kind: 'delivered' }])
  }
})

test("a message of exactly the server's size limit is sent, and one byte more is not", async () => {
  await using all = await target([{ extensions: ['SIZE 1000'] }, { extensions: ['SIZE 1000'] }])
  expect(await all.deliver({ sizeBytes: 1_000 })).toMatchObject([{ kind: 'delivered' }])
  expect(await all.deliver({ sizeBytes: 1_001 })).toMatchObject([{ kind: 'failed_for_good', enhancedCode: '5.3.4' }])
})

test('a message with the null sender is sent with MAIL FROM:<>', async () => {
  await using all = await target([{}])
  await all.deliver({ sender: '' })
  expect((await all.mxs[0]!.mail()).from).toBe('<>')
})

describe('recipients with a quoted local part', () => {
  test.each(['"a b"@a.test', '"a@b"@a.test', '"a\\"b"@a.test', '"a\\\\b"@a.test', '"a;b"@a.test', '"a,b"@a.test'])(
    '%s is sent in quotes, and no other mailbox is addressed',
    async (recipient) => {
      await using all = await target([{}])
      expect(await all.deliver({ recipients: [recipient] })).toMatchObject([{ kind: 'delivered' }])
      expect(all.mxs[0]!.commands.filter((line) => line.startsWith('RCPT'))).toEqual([`RCPT TO:<${recipient}>`])
    },
  )

  // nodemailer used to refuse the whole envelope for one of them, so every recipient waited for three days.
  test.each(['"a>b"@a.test', '"a<b"@a.test', '"zoe@a.test>"@a.test', '"a\nb"@a.test', `"${' '.repeat(246)}"@a.test`])(
    '%j, which SMTP cannot represent, fails permanently, and the others get the mail',
    async (recipient) => {
      await using all = await target([{}])
      const outcomes = await all.deliver({ recipients: ['zoe@a.test', recipient, 'bob@a.test'] })
      expect(outcomes).toMatchObject([
        { kind: 'delivered' },
        { kind: 'failed_for_good', enhancedCode: '5.1.3', reply: expect.stringContaining('check the address') },
        { kind: 'delivered' },
      ])
      expect((await all.mxs[0]!.mail()).to).toEqual(['zoe@a.test', 'bob@a.test'])
    },
  )

  test('if SMTP can represent no recipient, no connection is opened', async () => {
    await using all = await target([{}])
    expect(await all.deliver({ recipients: ['"a>b"@a.test'] })).toMatchObject([{ kind: 'failed_for_good' }])
    expect(all.server.questions).toEqual([])
  })
})

test('line endings become CRLF on the wire', async () => {
  await using all = await target([{}])
  await all.deliver('A: b\n\none\n.\ntwo\n')
  expect((await all.mxs[0]!.mail()).wire.toString()).toBe('A: b\r\n\r\none\r\n..\r\ntwo\r\n')
})

test('a message that cannot be read completely is not sent as if it were complete', async () => {
  await using all = await target([{}])
  let readings = 0
  async function* read() {
    yield Buffer.from('A: b\r\n\r\nhalf of it\r\n')
    if (++readings > 1) throw new Error('the disk failed')
  }
  await expect(all.deliver({ read })).rejects.toThrow('the disk failed')
  await all.mxs[0]!.until(() => all.mxs[0]!.openConnections === 0)
  expect(all.mxs[0]!.messages).toEqual([])
})

test('a delivery has a time limit, even if the server keeps sending', async () => {
  // The server sends lines of its greeting and never ends it.
  await using all = await target([{ greeting: '220-hello' }], { delivery: { attemptMs: 100 } })
  const [outcome] = await all.deliver({})
  expect(outcome).toMatchObject({ kind: 'failed_for_now', enhancedCode: '4.4.1' })
})

test('an abort signal closes the connection at any moment', async () => {
  for (const moment of ['greeting', 'MAIL', 'DATA', '.']) {
    await using all = await target([
      moment === 'greeting' ? { greeting: 'hang' } : { on: (line) => (line.startsWith(moment) ? 'hang' : undefined) },
    ])
    const [mx] = all.mxs
    const abort = new AbortController()
    const delivered = all.deliver({}, abort.signal)
    if (moment === 'greeting') await mx!.until(() => mx!.connections === 1)
    else await mx!.until(() => mx!.commands.some((line) => line.startsWith(moment === '.' ? 'DATA' : moment)))
    abort.abort(new Error('stop'))
    await expect(delivered).rejects.toThrow('stop')
    await mx!.until(() => mx!.openConnections === 0)
  }
})

test('servers of equal preference are tried in random order', async () => {
  const first = async (random: () => number) => {
    await using all = await target([{}, {}], {}, random)
    await all.deliver({})
    return all.mxs.map((mx) => mx.connections)
  }
  expect(await first(() => 0)).toEqual([0, 1])
  expect(await first(() => 0.99)).toEqual([1, 0])
})

test('no more servers are tried than the limit allows, and DNS is queried once', async () => {
  await using all = await target([{ greeting: '421 no' }, { greeting: '421 no' }, { greeting: '421 no' }], {
    delivery: { hostsMax: 2 },
  })
  const [outcome] = await all.deliver({})
  expect(outcome).toMatchObject({ kind: 'failed_for_now', code: 421 })
  expect(all.mxs.reduce((sum, mx) => sum + mx.connections, 0)).toBe(2)
  expect(all.server.questions.filter((question) => question.startsWith('MX'))).toEqual(['MX a.test'])
})

test('a reply is stored in one line and cut at the limit', async () => {
  const greeting = `250-5 lines\r\n250-\u0007bell\r\n250 ${'x'.repeat(200)}`
  await using all = await target([{ on: (line) => (line === '.' ? greeting : undefined) }], {
    delivery: { replyCharsMax: 30 },
  })
  const [outcome] = await all.deliver({})
  expect(outcome!.reply).toBe(`250 5 lines bell ${'x'.repeat(13)}`)
})

/** Answers the second line with this verb. */
function atSecond(verb: string, reply: string): NonNullable<Behaviour['on']> {
  let count = 0
  return (line) => (line.startsWith(verb) && ++count === 2 ? reply : undefined)
}

describe('a connection to the server of a domain', () => {
  const delivered = [{ kind: 'delivered' }]

  test('is used again for the next message, and for a limited number of them', async () => {
    await using all = await target([{}], { delivery: { destinationMessagesMax: 2 } })
    for (let count = 0; count < 3; count += 1) expect(await all.deliver('a: b\r\n\r\nc\r\n')).toMatchObject(delivered)
    expect(all.mxs[0]!.messages.map(({ connection }) => connection)).toEqual([1, 1, 2])
    const verbs = all.mxs[0]!.commands.map((line) => line.slice(0, 4))
    const message = ['MAIL', 'RCPT', 'DATA']
    expect(verbs).toEqual(['EHLO', ...message, ...message, 'QUIT', 'EHLO', ...message])
  })

  test('is replaced if the server has closed it meanwhile, or no longer replies', async () => {
    let hangs = 0
    const on = (line: string) => (line.startsWith('MAIL') && hangs-- > 0 ? ('hang' as const) : undefined)
    await using all = await target([{ on }], { delivery: { connectMs: 500 } })
    await all.deliver('a: b\r\n\r\nc\r\n')
    all.mxs[0]!.hangUp()
    expect(await all.deliver('a: b\r\n\r\nc\r\n')).toMatchObject(delivered)
    hangs = 1
    expect(await all.deliver('a: b\r\n\r\nc\r\n')).toMatchObject(delivered)
    expect(all.mxs[0]!.messages.map(({ connection }) => connection)).toEqual([1, 2, 3])
  })

  test.each([
    ['MAIL', '421 4.7.0 too many messages'],
    ['MAIL', '452 4.5.3 too many messages'],
    ['MAIL', 'close'],
    ['RCPT', '421 4.3.2 I must leave'],
    ['DATA', 'reset'],
  ])('is replaced if the server accepts no more messages on it (%s: %s)', async (verb, reply) => {
    await using all = await target([{ on: atSecond(verb, reply) }])
    await all.deliver({})
    expect(await all.deliver({})).toMatchObject(delivered)
    expect(all.mxs[0]!.messages.map(({ connection }) => connection)).toEqual([1, 2])
  })

  test('is replaced once: a message that is refused on a new one waits', async () => {
    let mails = 0
    const on = (line: string) => (line.startsWith('MAIL') && ++mails > 1 ? '451 4.7.1 later' : undefined)
    await using all = await target([{ on }])
    await all.deliver({})
    expect(await all.deliver({})).toMatchObject([{ kind: 'failed_for_now', code: 451 }])
    expect(mails).toBe(3)
  })

  test.each([
    ['MAIL', '550 5.7.1 no'],
    ['RCPT', '450 4.2.0 greylisted'],
    ['.', '451 4.3.0 full'],
    ['.', 'close'],
  ])('is not replaced for another failure of the next message (%s: %s)', async (verb, reply) => {
    await using all = await target([{ on: atSecond(verb, reply) }])
    await all.deliver({})
    expect(await all.deliver({})).not.toMatchObject(delivered)
    expect(all.mxs[0]!.connections).toBe(1)
  })

  test('ends after it has been idle for a while, and when the server stops', async () => {
    await using all = await target([{}], { delivery: { destinationIdleMs: 20 } })
    const [mx] = all.mxs
    await all.deliver('a: b\r\n\r\nc\r\n')
    await mx!.until(() => mx!.openConnections === 0)
    expect(mx!.commands.at(-1)).toBe('QUIT')

    await all.deliver('a: b\r\n\r\nc\r\n')
    all.close()
    await mx!.until(() => mx!.openConnections === 0)
    await all.deliver('a: b\r\n\r\nc\r\n')
    await mx!.until(() => mx!.openConnections === 0)
    expect(mx!.commands.filter((line) => line === 'QUIT')).toHaveLength(3)
  })

  test('is one of a limited number of idle ones', async () => {
    await using all = await target([{}], { delivery: { idleConnectionsMax: 0 } })
    await all.deliver('a: b\r\n\r\nc\r\n')
    await all.mxs[0]!.until(() => all.mxs[0]!.openConnections === 0)
    expect(all.mxs[0]!.commands.at(-1)).toBe('QUIT')
  })
})
