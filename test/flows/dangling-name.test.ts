/**
 * A webhook's host name that had an address yesterday is a CNAME to a name without an address today. This once crashed
 * the server, and the stored delivery crashed it again at every restart. The server is a separate process here, since
 * inside the test's process a crash of the server might not show.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startDns, type Zones } from '../support/dns-server.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { api, mailToAda } from '../support/process-client.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { createTestDatabase } from '../support/test-database.ts'

test('a delivery to a host name whose CNAME has no address fails and is retried, even after a restart', async () => {
  const zones: Zones = { 'hooks.test': { CNAME: 'gone.test' } }
  await using dns = await startDns(zones)
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  await using database = await createTestDatabase('started', dataDir)
  const start = () =>
    startServer({
      MARTLET_DATA_DIR: dataDir,
      MARTLET_DATABASE_URL: database.url ?? '',
      MARTLET_ROOT_KEY: ROOT_KEY,
      MARTLET_HTTP_PORT: '0',
      MARTLET_SMTP_PORT: '0',
      ...MAIL_PROGRAMS_OFF,
      MARTLET_DNS_SERVERS: dns.address,
    })

  const server = await start()
  onTestFinished(() => server.signal('SIGKILL'))
  await api(server, ROOT_KEY, 'POST', '/inboxes', { username: 'ada' })
  const { webhook_id } = await api(server, ROOT_KEY, 'POST', '/webhooks', {
    url: 'http://hooks.test/',
    event_types: ['message.received'],
  })
  await mailToAda(server, 'hello')
  await expect.poll(() => errors(server, webhook_id)).toEqual([expect.stringContaining('ENODATA')])
  server.signal('SIGTERM')
  expect(await server.exited).toBe(0)

  const again = await start()
  onTestFinished(() => again.signal('SIGKILL'))
  const at = `/webhooks/${webhook_id}/deliveries`
  const { deliveries } = await api(again, ROOT_KEY, 'GET', at)
  await api(again, ROOT_KEY, 'POST', `${at}/${deliveries[0].delivery_id}/redeliver`)
  await expect.poll(async () => (await errors(again, webhook_id)).length).toBe(2)
  again.signal('SIGTERM')
  expect(await again.exited).toBe(0)
})

/** Returns the error of each attempt of the webhook's deliveries. */
async function errors(server: ServerProcess, webhookId: string): Promise<string[]> {
  const { deliveries } = await api(server, ROOT_KEY, 'GET', `/webhooks/${webhookId}/deliveries`)
  return deliveries.flatMap(({ attempts }: { attempts: { error: string }[] }) => attempts.map(({ error }) => error))
}
