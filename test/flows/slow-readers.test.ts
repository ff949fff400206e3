/**
 * Tests subscribers that do not read while mail arrives: those that are closed reconnect with the cursor of the last
 * event that they read and get each event once. A subscriber that reads is not affected.
 */
import { expect, test } from 'vitest'
import {
  cursorsOf,
  MANY,
  metric,
  readAll,
  request,
  send,
  silentSocket,
  silentStream,
  subscribe,
} from '../support/silent-clients.ts'
import { startWorld } from '../support/world.ts'

const INBOXES = ['a', 'b', 'c', 'd'].map((name) => `${name}@mail.localhost`)
const CUT_OFF = 'martlet_websockets_closed_total{code="1013"}'

/** A reader that is behind has two events of 200 KB in its buffer: one such reader fits, two do not. */
const limits = { sockets: { bufferBytesMax: 300_000 }, events: { backlogBytesMax: 750_000, backfillBatchMax: 5 } }

test('readers that do not read are closed, and get each remaining event once after they reconnect with their cursor', {
  timeout: 60_000,
}, async () => {
  await using world = await startWorld({ limits })
  for (const inbox of INBOXES) await request(world, 'POST', '/v0/inboxes', { username: inbox.split('@')[0] })
  const [a, b, c, d] = INBOXES as [string, string, string, string]
  const mute = [
    { inbox: a, reader: await silentStream(world, a) },
    { inbox: b, reader: await silentSocket(world, b) },
    { inbox: c, reader: await silentStream(world, c) },
    { inbox: d, reader: await silentSocket(world, d) },
  ]
  const reading = await subscribe(world.url, { inbox: a })
  await reading.nextFrame(({ type }) => type === 'subscribed')
  await send(world, INBOXES)
  expect(await readAll(reading, MANY)).toEqual(await cursorsOf(world, a))
  await expect.poll(() => metric(world, 'martlet_event_streams')).toBeLessThan(2)
  await expect.poll(() => metric(world, CUT_OFF)).toBeGreaterThan(0)
  expect(reading.raw.readyState).toBe(reading.raw.OPEN)
  expect((await request(world, 'GET', '/readyz')).status).toBe(200)
  for (const { inbox, reader } of mute) expect(await reader.readAll(MANY)).toEqual(await cursorsOf(world, inbox))

  // The same applies to readers of past events.
  const before = await metric(world, CUT_OFF)
  const past = await Promise.all([a, b, c, d].map((inbox) => subscribe(world.url, { inbox, after: 'earliest' })))
  for (const { raw } of past) raw.pause()
  await expect.poll(() => metric(world, CUT_OFF)).toBeGreaterThan(before)
  expect(await metric(world, 'martlet_event_backlog_bytes')).toBeLessThan(750_000)
  const again = await subscribe(world.url, { inbox: a, after: 'earliest' })
  expect(await readAll(again, MANY)).toEqual(await cursorsOf(world, a))
})
