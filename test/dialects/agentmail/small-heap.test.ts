import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT_KEY } from '../../support/root-key.ts'
import { startServer } from '../../support/server-process.ts'
import {
  MANY,
  metric,
  readAll,
  request,
  type Server,
  send,
  silentStream,
  subscribe,
} from '../../support/silent-clients.ts'
import { createTestDatabase } from '../../support/test-database.ts'

const ADA = 'ada@mail.localhost'

// A thousand streams of one key that read nothing, and thirty messages, exhausted the heap within seconds.
test('forty streams that read nothing do not exhaust a small heap', { timeout: 60_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const database = await createTestDatabase('started', dataDir)
  onTestFinished(() => database[Symbol.asyncDispose]())
  const server = await startServer({
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    NODE_OPTIONS: '--max-old-space-size=128',
  })
  onTestFinished(async () => {
    server.signal('SIGKILL')
    await server.exited
  })
  const died = server.exited.then((code) => Promise.reject(new Error(`the server ended with ${code}`)))
  await Promise.race([died, withMuteStreams(server, 40)])
})

async function withMuteStreams(server: Server, streams: number): Promise<void> {
  await request(server, 'POST', '/v0/inboxes', { username: 'ada' })
  const mute = await Promise.all(Array.from({ length: streams }, () => silentStream(server, ADA)))
  const reading = await subscribe(server.url, { inbox: ADA })
  await reading.nextFrame(({ type }) => type === 'subscribed')
  await send(server, [ADA])
  const read = await readAll(reading, MANY)
  expect((await request(server, 'GET', '/readyz')).status).toBe(200)
  expect(await metric(server, 'martlet_event_backlog_bytes')).toBeGreaterThan(1_000_000)
  expect(await mute[0]!.readAll(MANY)).toEqual(read)
}
