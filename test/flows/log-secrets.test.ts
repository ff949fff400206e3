import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { openEventSource } from '../support/event-source.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { startServer } from '../support/server-process.ts'
import { openSocket } from '../support/socket-client.ts'
import { createTestDatabase } from '../support/test-database.ts'

const ROOT = 'am_test_root_key_that_no_log_may_hold'
const SENDER_TOKEN = 'a_token_of_a_sender_that_no_log_may_hold'
const DATABASE_PASSWORD = 'password_of_the_database_that_no_log_may_hold'
const WRONG = 'am_test_wrong_key_that_no_log_may_hold'

test('no key, password, download token or message content gets into the log, however it is sent', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const database = await createTestDatabase('migrated', dataDir)
  onTestFinished(() => database[Symbol.asyncDispose]())
  const server = await startServer({
    ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: withPassword(database.url) },
    ...{ MARTLET_ROOT_KEY: ROOT, MARTLET_LOG_LEVEL: 'trace' },
    ...{ MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF },
  })
  onTestFinished(async () => {
    server.signal('SIGKILL')
    await server.exited
  })
  const api = async (method: string, path: string, key: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return (await response.json()) as Record<string, string>
  }

  await api('POST', '/v0/inboxes', ROOT, { username: 'ada' })
  const { api_key: made } = await api('POST', '/v0/api-keys', ROOT, { name: 'second' })
  await api('GET', '/v0/inboxes', WRONG)
  await api('GET', `/v0/inboxes?api_key=${ROOT}&authorization=${WRONG}`, WRONG)
  const url = server.url.replace('http', 'ws')
  const socket = await openSocket(`${url}/v0?api_key=${made}`, ROOT)
  await expect(openSocket(`${url}/v0?api_key=${WRONG}`, WRONG)).rejects.toThrow('401')
  const agentpost = await openSocket(`${url}/ws?token=${made}`, undefined)
  await expect(openSocket(`${url}/ws?token=${WRONG}`, undefined)).rejects.toThrow('401')
  await expect(openSocket(`${url}/ws/${made}?token=${ROOT}`, undefined)).rejects.toThrow('404')
  const { key } = await api('POST', '/api/v1/api-keys', ROOT, { name: 'third' })
  await api('GET', `/api/v1/inboxes/${key}`, key!)
  const file = { filename: 'a.txt', mime_type: 'text/plain', size: 10 }
  const { upload_url: upload } = await api('POST', '/api/v1/attachments/upload-url', key!, file)
  for (const content of ['wrong size', 'classified']) await fetch(upload!, { method: 'PUT', body: content })
  socket.send({ type: 'subscribe' })
  const source = await openEventSource(`${server.url}/v0/events/stream?api_key=${made}`)
  expect((await openEventSource(`${server.url}/v0/events/stream?api_key=${WRONG}`)).status).toBe(401)
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail({
    from: 'ann@example.test',
    to: 'ada@mail.localhost',
    subject: 'confidential',
    text: 'classified',
  })
  transport.close()
  const { message } = await socket.next('message.received')
  await source.next('message')
  const path = `/v0/inboxes/ada@mail.localhost/messages/${encodeURIComponent(message.message_id)}`
  for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
    await fetch(`${server.url}/verify-sender/${SENDER_TOKEN}`, { method })
  const { download_url: link } = await api('GET', `${path}/raw`, made!)
  await (await fetch(link!)).text()
  socket.close()
  agentpost.close()
  server.signal('SIGTERM')
  expect(await server.exited).toBe(0)

  const log = server.lines.map((line) => JSON.stringify(line)).join('\n')
  expect(log).toContain('"status":401') // the requests themselves are logged
  for (const secret of [
    ROOT,
    WRONG,
    made!,
    key!,
    link!.split('/').at(-1)!,
    upload!.split('/').at(-1)!,
    SENDER_TOKEN,
    DATABASE_PASSWORD,
    'confidential',
    'classified',
  ]) {
    expect(log).not.toContain(secret)
  }
})

/** @returns the URL with a password, which the PostgreSQL of the tests does not ask for; empty: SQLite */
function withPassword(url: string | undefined): string {
  if (url === undefined) return ''
  const protectedUrl = new URL(url)
  protectedUrl.password = DATABASE_PASSWORD
  return protectedUrl.href
}
