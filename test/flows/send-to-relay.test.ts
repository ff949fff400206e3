/** Tests mail to other domains through the operator's relay: login, TLS, kept connections, and a relay that fails. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { createLog, type Log } from '../../src/log.ts'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { verifySignature } from '../support/dkim-verify.ts'
import { type Behaviour, FakeMx } from '../support/fake-mx.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { startServer } from '../support/server-process.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

const PASSWORD = 'p@ss/word%with:signs'
const CREDENTIALS = `ada%40relay:${encodeURIComponent(PASSWORD)}`

async function startRelay(behaviour: Behaviour, port = 0): Promise<FakeMx> {
  const relay = new FakeMx(behaviour)
  await relay.listen('127.0.0.1', port)
  return relay
}

async function startSender(url: string, limits: LimitOverrides = {}, env: Record<string, string> = {}, log?: Log) {
  const world = await startWorld({
    env: { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: url, ...env },
    limits: mergeLimits({ delivery: { retryFirstMs: 20, pollMs: 20 }, server: { shutdownGraceMs: 50 } }, limits),
    ...(log && { log }),
  })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ eventTypes: ['message.delivered', 'message.delayed', 'message.bounced'] })
  return {
    ...{ world, ada, socket },
    send: (to: string | string[]) =>
      world.agentmail.inboxes.messages.send(ada.inboxId, { to: to as string, subject: 'hello', text: 'hello' }),
    async deliveries(messageId: string) {
      const path = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(messageId)}/deliveries`
      return (await world.request('GET', path)).body.deliveries
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

test('all outgoing mail is sent to the relay after a login, and its signature is valid', async () => {
  await using relay = await startRelay({ auth: `ada@relay:${PASSWORD}` })
  await using all = await startSender(`smtp://${CREDENTIALS}@127.0.0.1:${relay.port}`)
  const sent = await all.send(['zoe@a.test', 'bob@b.test'])

  const messages = [await relay.mail(1), await relay.mail(2)]
  expect(messages.flatMap((mail) => mail.to).sort()).toEqual(['bob@b.test', 'zoe@a.test'])
  expect(await verifySignature(messages[0]!.data, all.world)).toBe('pass')
  await all.socket.next('message.delivered')
  await all.socket.next('message.delivered') // each recipient has its own
  const attempt = { target: 'relay', outcome: 'delivered', code: 250, remote: `127.0.0.1:${relay.port}` }
  expect(await all.deliveries(sent.messageId)).toMatchObject([{ history: [attempt] }, { history: [attempt] }])
})

test('a connection is reused for the next message, up to the limit', async () => {
  await using relay = await startRelay({})
  await using all = await startSender(`smtp://127.0.0.1:${relay.port}`, { delivery: { relayMessagesMax: 3 } })
  for (let number = 1; number <= 4; number++) {
    await all.send('zoe@a.test')
    await all.socket.next('message.delivered')
  }
  expect(relay.messages.map((mail) => mail.connection)).toEqual([1, 1, 1, 2])
  expect(relay.commands.filter((line) => line === 'QUIT')).toEqual(['QUIT'])
})

test('an idle connection is closed after a while', async () => {
  await using relay = await startRelay({})
  await using all = await startSender(`smtp://127.0.0.1:${relay.port}`, { delivery: { relayIdleMs: 50 } })
  await all.send('zoe@a.test')
  await relay.until(() => relay.connections === 1 && relay.openConnections === 0)
  expect(relay.commands.at(-1)).toBe('QUIT')
})

test.each([
  ['that the relay has closed', 'MAIL', 2, 'reset'],
  ['on which the relay accepts no more messages', 'MAIL', 2, '421 4.7.0 too many messages'],
])('a kept connection %s does not fail the next message', async (_what, verb, number, reply) => {
  let count = 0
  const on = (line: string) => (line.startsWith(verb) && ++count === number ? reply : undefined)
  await using relay = await startRelay({ on })
  await using all = await startSender(`smtp://127.0.0.1:${relay.port}`)
  for (const _message of [1, 2]) {
    const sent = await all.send('zoe@a.test')
    await all.socket.next('message.delivered')
    expect(await all.deliveries(sent.messageId)).toMatchObject([{ state: 'delivered', attempts: 1 }])
  }
  expect(relay.messages.map((mail) => mail.connection)).toEqual([1, 2])
})

test('no more connections are opened than the limit allows', async () => {
  await using relay = await startRelay({ on: (line) => (line === '.' ? 'hang' : undefined) })
  await using all = await startSender(`smtp://127.0.0.1:${relay.port}`, { delivery: { relayConnectionsMax: 2 } })
  for (const letter of 'abcdef') await all.send(`zoe@${letter}.test`)
  await relay.until(() => relay.commands.filter((line) => line === 'DATA').length === 2)
  expect(relay.connections).toBe(2)
})

test('a relay that refuses the password delays the message, and the password is not revealed', async () => {
  await using relay = await startRelay({ auth: 'ada@relay:another' })
  await using all = await startSender(`smtp://${CREDENTIALS}@127.0.0.1:${relay.port}`)
  const sent = await all.send('zoe@a.test')

  await all.socket.next('message.delayed')
  const deliveries = await all.deliveries(sent.messageId)
  expect(deliveries[0].history[0]).toMatchObject({ outcome: 'failed_for_now', code: 535, enhanced_code: '5.7.8' })
  expect(deliveries[0].history[0].reply).toMatch(
    /^The relay 127\.0\.0\.1 does not accept this server's user name and password; the operator must correct MARTLET_RELAY_URL; .* \(535 5\.7\.8\)$/,
  )
  expect(JSON.stringify(deliveries)).not.toContain(PASSWORD)

  relay.behaviour = { auth: `ada@relay:${PASSWORD}` }
  await all.socket.next('message.delivered')
})

test.each<[string, (line: string) => string]>([
  ['the command', (line) => line],
  ['its argument', (line) => line.split(' ').at(-1)!],
  ['the password', (line) => Buffer.from(line.split(' ').at(-1)!, 'base64').toString().split('\0').at(-1)!],
])('a refusal in which the relay repeats %s of the login is never quoted with it', async (_what, repeated) => {
  const lines: string[] = []
  await using relay = await startRelay({
    auth: `ada@relay:${PASSWORD}`,
    on: (line) => (line.startsWith('AUTH') ? `500 5.5.1 unrecognized: "${repeated(line)}", sorry` : undefined),
  })
  const log = createLog('trace', { write: (line) => void lines.push(line) })
  await using all = await startSender(`smtp://${CREDENTIALS}@127.0.0.1:${relay.port}`, {}, {}, log)
  const sent = await all.send('zoe@a.test')

  const event = await all.socket.next('message.delayed')
  const deliveries = await all.deliveries(sent.messageId)
  expect(deliveries[0].history[0]).toMatchObject({ code: 500, reply: expect.stringContaining('500 5.5.1') })
  const { body: queue } = await all.world.request('GET', '/v0/queue')
  expect(queue.count).toBe(1)
  expect(lines).not.toEqual([])
  for (const shown of [event, deliveries, queue, lines]) {
    const text = JSON.stringify(shown)
    for (const secret of [PASSWORD, CREDENTIALS, `\0ada@relay\0${PASSWORD}`]) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(Buffer.from(secret).toString('base64'))
    }
  }
})

test('a relay that does not offer the required login delays the message', async () => {
  await using relay = await startRelay({})
  await using all = await startSender(`smtp://${CREDENTIALS}@127.0.0.1:${relay.port}`)
  const sent = await all.send('zoe@a.test')
  await all.socket.next('message.delayed')
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0].reply).toMatch(/closed the connection during the login|offers no supported authentication method/)
  expect(relay.messages).toEqual([])
})

test('a relay that is down delays the message, and gets it when it is up again', async () => {
  const first = await startRelay({})
  const { port } = first
  await first[Symbol.asyncDispose]()
  await using all = await startSender(`smtp://127.0.0.1:${port}`)
  const sent = await all.send('zoe@a.test')

  await all.socket.next('message.delayed')
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0]).toMatchObject({ enhanced_code: '4.4.1', remote: `127.0.0.1:${port}` })
  expect(history[0].reply).toBe('The relay 127.0.0.1 cannot be reached: connection refused; will retry')
  await using back = await startRelay({}, port)
  await back.mail()
})

test('a relay certificate that cannot be verified is refused before a password is sent', async () => {
  const tls = await createSelfSigned({ hostname: 'relay.test', nowMs: Date.now() })
  await using relay = await startRelay({ tls, isImplicitTls: true, auth: `ada@relay:${PASSWORD}` })
  await using all = await startSender(`smtps://${CREDENTIALS}@127.0.0.1:${relay.port}`)
  const sent = await all.send('zoe@a.test')
  await all.socket.next('message.delayed')
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0]).toMatchObject({ outcome: 'failed_for_now', enhanced_code: '4.7.5' })
  expect(history[0].reply).toMatch(/could not negotiate TLS \(.*self-signed certificate.*\)/)
  expect(relay.commands).toEqual([])
})

// 0.0.0.0 reaches this machine but is not a loopback address: for the server it could as well be another machine.
test.each([
  ['offers no TLS', undefined, /does not support required STARTTLS|Error upgrading connection/],
  ['has a certificate that cannot be verified', 'relay.test', /self-signed certificate/],
])('a password is not sent to a remote relay that %s', async (_name, hostname, words) => {
  const tls = hostname === undefined ? undefined : await createSelfSigned({ hostname, nowMs: Date.now() })
  await using relay = await startRelay({ ...(tls && { tls }), auth: `ada@relay:${PASSWORD}` })
  await using all = await startSender(`smtp://${CREDENTIALS}@0.0.0.0:${relay.port}`)
  const sent = await all.send('zoe@a.test')
  await all.socket.next('message.delayed')
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0]).toMatchObject({ outcome: 'failed_for_now', target: 'relay' })
  expect(history[0].reply).toMatch(words)
  expect(relay.commands.filter((line) => /^(AUTH|MAIL)/.test(line))).toEqual([])
})

// As a separate process, since node takes another certificate authority from its environment only.
test('a message is sent by smtps to a stock server with a valid certificate', { timeout: 60_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  await using database = await createTestDatabase('started', dataDir)
  const { cert, key } = await createSelfSigned({ hostname: 'relay.test', nowMs: Date.now() })
  await writeFile(join(dataDir, 'ca.pem'), cert)
  const messages: string[] = []
  let login = ''
  const stock = new SMTPServer({
    ...{ secure: true, cert, key, authMethods: ['LOGIN'] },
    onAuth(auth, _session, done) {
      login = `${auth.username}:${auth.password}`
      done(null, { user: 'ada' })
    },
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk) => chunks.push(chunk))
      stream.on('end', () => {
        messages.push(Buffer.concat(chunks).toString())
        done()
      })
    },
  })
  await new Promise<void>((resolve) => stock.listen(0, '127.0.0.1', resolve))
  const { port } = stock.server.address() as { port: number }
  const server = await startServer({
    ...{
      MARTLET_DATA_DIR: dataDir,
      MARTLET_DATABASE_URL: database.url ?? '',
      MARTLET_HTTP_PORT: '0',
      MARTLET_SMTP_PORT: '0',
      ...MAIL_PROGRAMS_OFF,
    },
    ...{ MARTLET_ROOT_KEY: ROOT_KEY, NODE_EXTRA_CA_CERTS: join(dataDir, 'ca.pem') },
    ...{ MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtps://${CREDENTIALS}@localhost:${port}` },
  })
  onTestFinished(async () => {
    server.signal('SIGKILL')
    await new Promise<void>((resolve) => stock.close(resolve))
  })
  const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
  // biome-ignore lint/suspicious/noExplicitAny: responses of every shape
  const ask = async (path: string, body?: object): Promise<any> => {
    const request = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers }
    return (await fetch(`${server.url}/v0${path}`, request)).json()
  }
  const inbox = await ask('/inboxes', { username: 'ada' })
  const mail = { to: 'zoe@a.test', subject: 'hello', text: 'a line\n.\nand another' }
  const sent = await ask(`/inboxes/${inbox.inbox_id}/messages/send`, mail)
  const path = `/inboxes/${inbox.inbox_id}/messages/${encodeURIComponent(sent.message_id)}/deliveries`
  const history = async () => (await ask(path)).deliveries[0].history
  await expect.poll(history).toMatchObject([{ outcome: 'delivered', tls: 'TLSv1.3' }])
  expect(messages).toHaveLength(1)
  expect(messages[0]).toContain('a line\r\n.\r\nand another')
  expect(login).toBe(`ada@relay:${PASSWORD}`)
  expect(JSON.stringify(server.lines)).not.toContain(PASSWORD)
})

test('a reply to the id that the relay gave to a message joins its thread', async () => {
  const relayId = '010001975e1b2c3d-11112222-3333-4444-5555-666677778888-000000'
  await using relay = await startRelay({ on: (line) => (line === '.' ? `250 Ok ${relayId}` : undefined) })
  await using all = await startSender(`smtp://127.0.0.1:${relay.port}`)
  const sent = await all.send('zoe@a.test')
  await all.socket.next('message.delivered')
  expect((await relay.mail(1)).data.split('\r\n\r\n')[0]).not.toMatch(/^References:/m)

  const arrivals = await all.world.subscribe({ eventTypes: ['message.received'] })
  const threadOf = async (id: string) => {
    const raw = `From: zoe@a.test\r\nIn-Reply-To: ${id}\r\n\r\nyes`
    await all.world.smtp.send({ envelope: { from: 'zoe@a.test', to: all.ada.email }, raw })
    return (await arrivals.next()).message.thread_id
  }
  expect(await threadOf(`<${relayId}@email.amazonses.com>`)).toBe(sent.threadId)
  expect(await threadOf(`<${relayId}@eu-west-1.amazonses.com>`)).toBe(sent.threadId)
  expect(await threadOf(`<x${relayId}@email.amazonses.com>`)).not.toBe(sent.threadId)
})
