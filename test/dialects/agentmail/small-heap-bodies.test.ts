/** Tests a server with a small heap and a request that once exhausted it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { MAIL_PROGRAMS_OFF } from '../../support/free-port.ts'
import { startServer } from '../../support/server-process.ts'

const ROOT = 'am_test_root_key_of_a_small_heap'

// The fingerprint of a request used to turn every byte of its attachments into a number: 50 MiB exhausted a heap of 512
// MiB.
test('a large attachment with an Idempotency-Key fits into a small heap', { timeout: 90_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const server = await startServer({
    ...{
      MARTLET_DATA_DIR: dataDir,
      MARTLET_ROOT_KEY: ROOT,
      MARTLET_HTTP_PORT: '0',
      MARTLET_SMTP_PORT: 'off',
      ...MAIL_PROGRAMS_OFF,
    },
    NODE_OPTIONS: '--max-old-space-size=112',
  })
  onTestFinished(() => server.signal('SIGKILL'))
  const headers = { authorization: `Bearer ${ROOT}`, 'content-type': 'application/json', 'idempotency-key': 'once' }
  const post = async (path: string, body: object) =>
    (await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status
  expect(await post('/v0/inboxes', { username: 'ada' })).toBe(200)
  const attachments = [{ content: Buffer.alloc(12_000_000, 1).toString('base64') }]
  const send = () => post('/v0/inboxes/ada@mail.localhost/messages/send', { to: 'cy@example.test', attachments })
  expect([await send(), await send()]).toEqual([200, 200])
})
