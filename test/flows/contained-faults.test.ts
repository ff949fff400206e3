/**
 * Tests that an unhandled error ends only the unit of work in which it was thrown, and that work which keeps ending the
 * process is set aside (docs/adr/0022). The server is a separate process into which the test injects faults.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { freePort, MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { plantFaults } from '../support/planted-faults.ts'
import { api, mailToAda } from '../support/process-client.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'

/** Each start of a process takes half a second, and many on a busy machine. */
const RESTARTS = { timeout: 90_000 }

const QUICK = {
  // A lease that expires counts as an interruption too: on a busy machine, a start blocks the event loop for a second.
  webhooks: { timeoutMs: 500, longTimeoutMs: 500, leaseMs: 2_000, pollMs: 100 },
  delivery: { leaseMs: 2_000, pollMs: 100, retryFirstMs: 100 },
  jobs: { leaseMs: 2_000, retryFirstMs: 100, interruptionsMax: 2, interruptedDelayMs: 200 },
} satisfies LimitOverrides

test(
  'an error in a request, a socket, an SMTP connection or a webhook delivery ends only that one',
  RESTARTS,
  async () => {
    const port = await freePort()
    await using hook = await startWebhookSink()
    await using place = await preparePlace({ exceptionPort: port })
    const server = await place.start()
    await api(server, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })

    const headers = { authorization: 'Bearer am_planted-rejection' } // the key is hashed for its look-up
    const response = await fetch(`${server.url}/v0/inboxes`, { headers })
    expect([401, 500]).toContain(response.status) // whichever was first
    await expect.poll(() => unitsOf(server)).toEqual(['HTTP request'])

    const [bad, good] = [openSocket(server), openSocket(server)]
    await Promise.all([once(bad, 'open'), once(good, 'open')])
    bad.send('{"type":"planted-rejection"}')
    const [code] = await once(bad, 'close')
    expect(code).toBe(1011)
    good.send('{"type":"subscribe"}')
    const [answer] = await once(good, 'message')
    expect(String(answer)).toContain('subscribed')
    good.close()

    await mailToAda(server, 'hello', '<planted-exception@example.test>').catch(() => undefined) // cut before or after its 250
    await expect.poll(() => unitsOf(server)).toContain('SMTP connection')

    const webhook = await api(server, ROOT_KEY, 'POST', '/webhooks', webhookTo(`http://127.0.0.1:${port}/`))
    await api(server, ROOT_KEY, 'POST', '/webhooks', webhookTo(hook.url))
    await mailToAda(server, 'hello')
    await hook.count(1)
    await expect.poll(() => unitsOf(server)).toContain('webhook delivery')
    // The request fails by its own timeout or because its socket is closed, and is retried like any other.
    const at = `/webhooks/${webhook.webhook_id}/deliveries`
    const firstAttempt = async () => (await api(server, ROOT_KEY, 'GET', at)).deliveries[0].attempts[0]
    await expect.poll(firstAttempt).toMatchObject({ outcome: 'retry', error: expect.any(String) })
  },
)

test('a webhook delivery that ends the process is set aside, and the others are sent', RESTARTS, async () => {
  const port = await freePort()
  await using hook = await startWebhookSink()
  await using place = await preparePlace({ abortPort: port })
  const first = await place.start()
  await api(first, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })
  const bad = await api(first, ROOT_KEY, 'POST', '/webhooks', webhookTo(`http://127.0.0.1:${port}/`))
  await api(first, ROOT_KEY, 'POST', '/webhooks', webhookTo(hook.url))
  await mailToAda(first, 'hello').catch(() => undefined) // the process may end before its 250
  expect(await first.exited).toBeNull()

  const last = await place.startUntilItStays()
  const at = `/webhooks/${bad.webhook_id}/deliveries`
  await expect.poll(async () => (await api(last, ROOT_KEY, 'GET', at)).deliveries[0]).toMatchObject({ state: 'failed' })
  await hook.count(1)
  await api(last, ROOT_KEY, 'GET', '/inboxes') // the server still works
})

test('an error in an SMTP delivery ends that delivery, and its recipient is held if the error repeats', async () => {
  const port = await freePort()
  const out = { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${port}` }
  await using place = await preparePlace({ rejectionPort: port }, out, { delivery: { leaseMs: 1_000 } })
  const server = await place.start()
  await api(server, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })
  await api(server, ROOT_KEY, 'POST', '/inboxes/ada@mail.localhost/messages/send', {
    ...{ to: ['zoe@a.test'], subject: 'hello', text: 'hello' },
  })
  await expect
    .poll(() => queue(server))
    .toMatchObject([{ state: 'held', last_reply: expect.stringContaining('Set aside') }])
  expect(unitsOf(server)).toEqual(['delivery', 'delivery'])
  await api(server, ROOT_KEY, 'GET', '/inboxes') // the server still works
})

test('a recipient whose delivery ends the process is held, and can be released', RESTARTS, async () => {
  const port = await freePort()
  const out = { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${port}` }
  await using place = await preparePlace({ abortPort: port }, out)
  const first = await place.start()
  await api(first, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })
  await api(first, ROOT_KEY, 'POST', '/inboxes/ada@mail.localhost/messages/send', {
    ...{ to: ['zoe@a.test'], subject: 'hello', text: 'hello' },
  }).catch(() => undefined) // the process may end before its answer
  expect(await first.exited).toBeNull()

  const last = await place.startUntilItStays()
  await expect
    .poll(() => queue(last))
    .toMatchObject([{ state: 'held', last_reply: expect.stringContaining('Set aside') }])
  const [recipient] = await queue(last)
  await api(last, ROOT_KEY, 'POST', '/queue/release', { recipient_ids: [recipient.recipient_id] })
  expect(await last.exited).toBeNull() // the released recipient is tried again
})

/** Prepares a database and a data folder for several servers, one after the other. */
async function preparePlace(
  faults: Parameters<typeof plantFaults>[0],
  env: Record<string, string> = {},
  limits: LimitOverrides = {},
) {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const database: TestDatabase = await createTestDatabase('started', dataDir)
  return {
    async start(): Promise<ServerProcess> {
      const settings = {
        MARTLET_DATA_DIR: dataDir,
        MARTLET_DATABASE_URL: database.url ?? '',
        MARTLET_ROOT_KEY: ROOT_KEY,
      }
      const ports = { MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF }
      const server = await startServer(
        { ...settings, ...ports, ...env, NODE_OPTIONS: plantFaults(faults) },
        mergeLimits(QUICK, limits),
      )
      onTestFinished(() => server.signal('SIGKILL'))
      return server
    },
    /**
     * Restarts the server whenever its process ends. Work that ends it runs until it reaches its limit and is set
     * aside.
     */
    async startUntilItStays(): Promise<ServerProcess> {
      for (let starts = 1; starts <= QUICK.jobs.interruptionsMax + 1; starts += 1) {
        const server = await this.start().catch(() => undefined)
        if (server && (await Promise.race([server.exited, hasSetAside(server)])) === true) return server
      }
      throw new Error('the process ended at each start')
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Resolves when work was set aside. */
async function hasSetAside({ lines }: ServerProcess): Promise<true> {
  await expect.poll(() => lines.some(({ msg }) => String(msg).includes('set aside'))).toBe(true)
  return true
}

function openSocket({ url }: ServerProcess): WebSocket {
  return new WebSocket(`${url.replace('http', 'ws')}/v0`, { headers: { authorization: `Bearer ${ROOT_KEY}` } })
}

function webhookTo(url: string) {
  return { url, event_types: ['message.received'] }
}

/** Returns the kinds of the units of work that errors have ended so far. */
function unitsOf({ lines }: ServerProcess): unknown[] {
  return lines.filter(({ msg }) => msg === 'unhandled error; its unit of work ends').map(({ unit }) => unit)
}

async function queue(server: ServerProcess) {
  return (await api(server, ROOT_KEY, 'GET', '/queue')).recipients
}
