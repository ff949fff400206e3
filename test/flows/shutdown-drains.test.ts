import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { FakeMx } from '../support/fake-mx.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { startServer } from '../support/server-process.ts'
import { openSocket } from '../support/socket-client.ts'
import { createTestDatabase, readRows } from '../support/test-database.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'

async function startHere(more: Readonly<Record<string, string>> = {}, limits?: LimitOverrides) {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const database = await createTestDatabase('started', dataDir)
  onTestFinished(() => database[Symbol.asyncDispose]())
  const env = {
    ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: database.url ?? '', MARTLET_ROOT_KEY: ROOT_KEY },
    ...{ MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF },
    ...more,
  }
  const server = await startServer(env, limits)
  onTestFinished(() => server.signal('SIGKILL'))
  return { server, env, stored: { dataDir, shared: { databaseUrl: database.url, blobsDir: join(dataDir, 'blobs') } } }
}

async function createInbox(url: string, username: string): Promise<string> {
  const response = await fetch(`${url}/v0/inboxes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username }),
  })
  return ((await response.json()) as { email: string }).email
}

test('SIGTERM lets an incoming message finish, sends its event, closes sockets with 1012 and exits with 0', async () => {
  const { server, env } = await startHere()
  const address = await createInbox(server.url, 'ada')
  const socket = await openSocket(`${server.url.replace('http', 'ws')}/v0`, ROOT_KEY)
  socket.send({ type: 'subscribe' })
  await socket.nextFrame((frame) => frame.type === 'subscribed')
  const smtp = await dialogue(server.smtpPort)
  for (const line of ['EHLO test.example', 'MAIL FROM:<ann@example.test>', `RCPT TO:<${address}>`, 'DATA']) {
    await smtp.say(line)
  }
  smtp.write('Subject: on the way\r\n\r\nhalf of it,')

  server.signal('SIGTERM')
  // The stop has begun when new connections are refused; only then is the rest of the message sent.
  await refused(server.smtpPort)
  expect(await smtp.say(' and the rest\r\n.')).toMatch(/^250 /)

  expect((await socket.next('message.received')).message).toMatchObject({ subject: 'on the way' })
  expect((await socket.closed).code).toBe(1012)
  expect(await server.exited).toBe(0)

  const again = await startServer(env)
  onTestFinished(() => again.signal('SIGKILL'))
  const list = await fetch(`${again.url}/v0/inboxes/${address}/messages`, {
    headers: { authorization: `Bearer ${ROOT_KEY}` },
  })
  expect(((await list.json()) as { count: number }).count).toBe(1)
})

test('Python clients are closed with 1001, which they accept without an error', async () => {
  const { server } = await startHere()
  const url = `${server.url.replace('http', 'ws')}/v0`
  const socket = await openSocket(url, ROOT_KEY, { 'x-fern-language': 'Python' })
  socket.send({ type: 'subscribe' })
  await socket.nextFrame((frame) => frame.type === 'subscribed')

  server.signal('SIGTERM')

  expect((await socket.closed).code).toBe(1001)
  expect(await server.exited).toBe(0)
})

// The logger's stream used to wait forever at exit when the reader of its pipe was gone.
test('a server stops even when no process reads its log any more', async () => {
  const { server } = await startHere()
  server.stopReading()
  await createInbox(server.url, 'ada') // writes a log line that no process reads

  server.signal('SIGTERM')

  expect(await server.exited).toBe(0)
})

// Each component had a grace period of its own, one after the other, and the workers claimed until their turn came.
test('a stop has one grace period for all that hangs, and claims nothing meanwhile', async () => {
  const graceMs = 5_000
  await using relay = new FakeMx({ on: (line) => (line.startsWith('MAIL') ? 'hang' : undefined) })
  await relay.listen('127.0.0.1', 0)
  const answers: ServerResponse[] = []
  await using sink = await startWebhookSink((response) => void answers.push(response))
  const { server, stored } = await startHere(
    {
      ...{ MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
      MARTLET_ALLOW_PRIVATE_NETWORKS: 'true',
    },
    { server: { shutdownGraceMs: graceMs }, webhooks: { endpointConcurrencyMax: 2 } },
  )
  const address = await createInbox(server.url, 'ada')
  const post = (path: string, body: unknown) => request(server.url, path, JSON.stringify(body))
  expect((await post('/v0/webhooks', { url: sink.url, event_types: ['message.received'] })).status).toBe(200)
  const smtp = await dialogue(server.smtpPort)
  await smtp.say('EHLO test.example')
  const begin = async (subject: string) => {
    for (const line of ['MAIL FROM:<ann@example.test>', `RCPT TO:<${address}>`, 'DATA']) await smtp.say(line)
    smtp.write(`Subject: ${subject}\r\n\r\n`)
  }
  for (const subject of ['first', 'second', 'third']) {
    await begin(subject)
    expect(await smtp.say('.')).toMatch(/^250 /)
  }
  await sink.count(2) // the third waits for the end of one of both
  expect((await post(`/v0/inboxes/${address}/messages/send`, { to: 'eve@example.test', text: 'x' })).status).toBe(200)
  await relay.until(() => relay.commands.some((command) => command.startsWith('MAIL')))
  await begin('never complete')
  const hanging = request(server.url, '/v0/inboxes', neverEnding()).catch(() => undefined)

  const startedAt = performance.now()
  server.signal('SIGTERM')
  await refused(server.smtpPort)
  answers[0]!.writeHead(204).end()
  expect(await server.exited).toBe(0)
  // Two periods, one after the other, take longer. One leaves seconds for the end of the process on a busy machine.
  expect(performance.now() - startedAt).toBeLessThan(2 * graceMs)
  await hanging
  expect(sink.calls).toHaveLength(2)
  const reports = server.lines.filter(({ msg }) => msg === 'the stop waits for running work')
  expect(reports).toHaveLength(1)
  // Not the HTTP request: the signal may have been faster. agentmail/stop.test.ts counts those.
  const { 'HTTP requests': _, ...waitsFor } = reports[0]!.waitsFor as Record<string, number>
  expect(waitsFor).toEqual({ 'SMTP connections': 1, deliveries: 1, 'requests to webhooks': 1 })
  const leases = (table: string) =>
    readRows(stored, `select count(*) from ${table} where lease_owner is not null or interruptions > 0`)
  expect([await leases('recipients'), await leases('webhook_deliveries')]).toEqual([[[0]], [[0]]])
})

/** Sends the beginning of a body. */
function neverEnding(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"username":')) })
}

function request(url: string, path: string, body: string | ReadableStream<Uint8Array>): Promise<Response> {
  const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
  return fetch(`${url}${path}`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
}

/** Opens an SMTP session in which the test writes the commands. */
async function dialogue(port: number) {
  const socket = connect(port, '127.0.0.1')
  let buffered = ''
  const replies: string[] = []
  let wake: (() => void) | undefined
  socket.on('data', (bytes) => {
    buffered += bytes
    // A reply ends with a line whose code is followed by a space.
    for (
      let match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(buffered);
      match;
      match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(buffered)
    ) {
      replies.push(match[0])
      buffered = buffered.slice(match[0].length)
    }
    wake?.()
  })
  const reply = async () => {
    while (replies.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return replies.shift()!
  }
  await reply()
  return {
    write: (text: string) => void socket.write(text),
    say(line: string) {
      socket.write(`${line}\r\n`)
      return reply()
    },
  }
}

/** Resolves when the port refuses connections. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isRefused = await Promise.race([
      once(socket, 'connect').then(() => false),
      once(socket, 'error').then(() => true),
    ]).catch(() => true)
    socket.destroy()
    if (isRefused) return
  }
}
