/** Tests that a server with a small heap survives clients that read nothing. */
import { expect, test } from 'vitest'
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
import { startSmallHeapServer } from '../../support/small-heap-server.ts'

const ADA = 'ada@mail.localhost'

// A thousand streams of one key that read nothing, and thirty messages, exhausted the heap within seconds.
test('forty streams that read nothing do not exhaust a small heap', { timeout: 60_000 }, async () => {
  await using small = await startSmallHeapServer()
  await small.whileAlive(() => withSilentStreams(small.process, 40))
})

async function withSilentStreams(server: Server, streams: number): Promise<void> {
  await request(server, 'POST', '/v0/inboxes', { username: 'ada' })
  const silent = await Promise.all(Array.from({ length: streams }, () => silentStream(server, ADA)))
  const reading = await subscribe(server.url, { inbox: ADA })
  await reading.nextFrame(({ type }) => type === 'subscribed')
  await send(server, [ADA])
  const read = await readAll(reading, MANY)
  expect((await request(server, 'GET', '/readyz')).status).toBe(200)
  expect(await metric(server, 'martlet_event_backlog_bytes')).toBeGreaterThan(1_000_000)
  expect(await silent[0]!.readAll(MANY)).toEqual(read)
}
