/**
 * Starts the server that was built, creates an inbox, sends it a message, reads this message and stops. Run with the Node version that
 * is in question; needs nothing but what a server needs. Exits with 1 when something is not as it should be.
 */
import { strict as assert } from 'node:assert'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const KEY = 'am_smoke_key_of_this_run'
const PATIENCE_MS = 30_000
setTimeout(() => fail(new Error(`it took longer than ${PATIENCE_MS} ms`)), PATIENCE_MS).unref()

const dataDir = await mkdtemp(join(tmpdir(), 'martlet-smoke-'))
const settings = {
  MARTLET_DATA_DIR: dataDir,
  MARTLET_ROOT_KEY: KEY,
  MARTLET_HTTP_PORT: '0',
  MARTLET_SMTP_PORT: '0',
  MARTLET_SUBMISSION_PORT: 'off',
  MARTLET_SUBMISSIONS_PORT: 'off',
  MARTLET_IMAP_PORT: 'off',
  MARTLET_IMAPS_PORT: 'off',
}
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const server = spawn(process.execPath, [cli, 'serve'], {
  env: { PATH: process.env.PATH, ...settings },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const exited = once(server, 'exit')

try {
  const { url, smtpPort } = await ready()
  const inbox = await request('POST', `${url}/v0/inboxes`, { username: 'ada' })
  await mail(smtpPort, inbox.email)
  const { messages } = await request('GET', `${url}/v0/inboxes/${inbox.email}/messages`)
  assert.deepEqual(
    messages.map(({ subject, labels }) => ({ subject, labels })),
    [{ subject: 'Smoke', labels: ['received', 'unread'] }],
  )
  server.kill('SIGTERM')
  const [code] = await exited
  assert.equal(code, 0)
  console.log(`Node ${process.version}: an inbox was created, a message was received, the server stopped cleanly`)
} catch (error) {
  await fail(error)
} finally {
  await rm(dataDir, { recursive: true, force: true })
}

async function fail(error) {
  server.kill('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
  console.error(`Node ${process.version}: ${error.stack}`)
  process.exit(1)
}

/** Its log line that says where it listens. */
async function ready() {
  for await (const line of createInterface({ input: server.stdout })) {
    const entry = JSON.parse(line)
    if (entry.msg !== 'ready') continue
    server.stdout.resume()
    return entry
  }
  throw new Error('the server ended before it was ready')
}

async function request(method, url, body) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
  assert.equal(response.status, 200, url)
  return response.json()
}

/** One mail over SMTP: says a line, waits for its reply, says the next. */
async function mail(port, recipient) {
  const lines = [
    'EHLO smoke.example',
    'MAIL FROM:<ann@example.com>',
    `RCPT TO:<${recipient}>`,
    'DATA',
    `From: ann@example.com\r\nTo: ${recipient}\r\nSubject: Smoke\r\n\r\nIs it there?\r\n.`,
    'QUIT',
  ]
  const socket = connect(port, '127.0.0.1')
  for await (const reply of createInterface({ input: socket })) {
    if (reply[3] === '-') continue // more of this reply follows
    assert.match(reply, /^[23]/)
    const line = lines.shift()
    if (line !== undefined) socket.write(`${line}\r\n`)
  }
}
