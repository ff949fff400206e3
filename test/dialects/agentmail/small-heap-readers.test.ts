/**
 * Tests a server with a small heap and messages that cost their readers much: a control character takes six bytes in
 * JSON.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { ROOT_KEY } from '../../support/root-key.ts'
import { type ServerProcess, startServer } from '../../support/server-process.ts'
import { metric, request, subscribe } from '../../support/silent-clients.ts'
import { createTestDatabase, type TestDatabase } from '../../support/test-database.ts'

const MIB = 1024 * 1024
const READERS = 5
const inboxes = Array.from({ length: READERS }, (_, index) => `ada${index}@mail.localhost`)
/** 1.5 MiB of control characters: 9 MiB in JSON. */
const body = `${'\u0001'.repeat(990)}\r\n`.repeat((1.5 * MIB) / 992)
const mail = [
  ...['From: ann@example.test', 'Message-ID: <large@example.test>', 'MIME-Version: 1.0'],
  ...['Content-Type: multipart/alternative; boundary=b', '', '--b', 'Content-Type: text/plain', '', body],
  ...['--b', 'Content-Type: text/html', '', body, '--b--', ''],
].join('\r\n')

let dataDir: string
let database: TestDatabase
let server: ServerProcess

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  database = await createTestDatabase('started', dataDir)
  server = await startServer({
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    NODE_OPTIONS: '--max-old-space-size=128',
  })
  for (const inbox of inboxes) await request(server, 'POST', '/v0/inboxes', { username: inbox.split('@')[0] })
})

afterAll(async () => {
  server.signal('SIGKILL')
  await server.exited
  await database[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

async function receive(to: readonly string[]): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail({ envelope: { from: 'ann@example.test', to: [...to] }, raw: mail })
}

/** Fails when the server ends. */
async function whileAlive(work: () => Promise<void>): Promise<void> {
  const died = server.exited.then((code) => Promise.reject(new Error(`the server ended with ${code}`)))
  await Promise.race([died, work()])
}

const path = (inbox: string) => `/v0/inboxes/${inbox}/messages/${encodeURIComponent('<large@example.test>')}`

// On a heap of 512 MB, a message of 8 MiB for 12 long polls, or 20 requests for it at once, ended the process.
test('a large message for many long polls, sockets and readers at once fits into a small heap', async () => {
  await whileAlive(async () => {
    const socket = await subscribe(server.url, { inbox: inboxes[0]! })
    await socket.nextFrame(({ type }) => type === 'subscribed')
    const waiting = inboxes.map((inbox) => request(server, 'GET', `/v0/inboxes/${inbox}/messages/wait`))
    await expect.poll(() => metric(server, 'martlet_event_subscriptions')).toBe(READERS + 1)
    await receive(inboxes)
    const frame = await socket.nextFrame(({ event_type }) => event_type === 'message.received')
    expect(frame).toMatchObject({ truncated: true, message: { headers: { 'Message-ID': '<large@example.test>' } } })
    const polled = await Promise.all(waiting)
    const read = await Promise.all(inboxes.map(() => request(server, 'GET', path(inboxes[0]!))))
    for (const { status, text } of [...polled, ...read]) {
      expect(status).toBe(200)
      expect(text.length).toBeGreaterThan(16 * MIB)
      expect(text.length).toBeLessThan(16.1 * MIB)
    }
  })
})

// Fifteen clients that requested such a message and read nothing ended the process as well.
test('clients that request a large message and read nothing leave room for others', async () => {
  await whileAlive(async () => {
    await receive(inboxes.slice(0, 1))
    const key = JSON.parse((await request(server, 'POST', '/v0/api-keys', {})).text).api_key
    for (let count = 0; count < 15; count++) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.on('error', () => undefined)
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
      socket.pause()
      socket.write(`GET ${path(inboxes[0]!)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`)
    }
    await expect.poll(() => metric(server, 'martlet_http_response_bytes')).toBeGreaterThan(16 * MIB)
    const { status, text } = await request(server, 'GET', path(inboxes[0]!))
    expect([status, text.length > 16 * MIB]).toEqual([200, true])
    await expect.poll(() => metric(server, 'martlet_http_response_bytes')).toBeLessThan(32 * MIB)
  })
})
