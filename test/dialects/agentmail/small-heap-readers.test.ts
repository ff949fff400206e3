/**
 * Tests a server with a small heap and messages that cost their readers much: a control character takes six bytes in
 * JSON.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { ServerProcess } from '../../support/server-process.ts'
import { metric, request, subscribe } from '../../support/silent-clients.ts'
import { type SmallHeapServer, startSmallHeapServer } from '../../support/small-heap-server.ts'

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

let small: SmallHeapServer
let server: ServerProcess

beforeAll(async () => {
  small = await startSmallHeapServer()
  server = small.process
  for (const inbox of inboxes) await request(server, 'POST', '/v0/inboxes', { username: inbox.split('@')[0] })
})

afterAll(() => small[Symbol.asyncDispose]())

async function receive(to: readonly string[]): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail({ envelope: { from: 'ann@example.test', to: [...to] }, raw: mail })
}

const path = (inbox: string) => `/v0/inboxes/${inbox}/messages/${encodeURIComponent('<large@example.test>')}`

// On a heap of 512 MB, a message of 8 MiB for 12 long polls, or 20 requests for it at once, ended the process.
test('a large message for many long polls, sockets and readers at once fits into a small heap', {
  timeout: 90_000,
}, async () => {
  await small.whileAlive(async () => {
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
test('clients that request a large message and read nothing leave room for others', { timeout: 90_000 }, async () => {
  await small.whileAlive(async () => {
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
