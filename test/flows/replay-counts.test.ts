/** Replays count events of the whole log first: through a real server, whose counts take long. */
import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a count for a replay ends when its client disconnects, and only then another one begins', async () => {
  // Each event takes a second.
  const limits = { lists: { scanRowsMax: 1 }, events: { searchPauseMs: 1_000 }, webhooks: { replayCountsMax: 1 } }
  await using world = await startWorld({ limits })
  const body = { url: 'https://hooks.example/agent', event_types: ['message.received'] }
  const { webhook_id } = (await world.request('POST', '/v0/webhooks', { body })).body
  for (let count = 0; count < 60; count += 1) await world.agentmail.inboxes.create({})

  const path = `/v0/webhooks/${webhook_id}/replay`
  const client = request(`${world.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.rootKey}`, 'content-type': 'application/json' },
  })
  client.end(JSON.stringify({ start: '2020-01-01', dry_run: true }))
  const hasAnswered = once(client, 'response')
  // This range has no events.
  const other = () => world.request('POST', path, { body: { start: '2020-01-01', end: '2020-01-02', dry_run: true } })
  await expect.poll(other, { interval: 5 }).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } })
  client.destroy()
  await expect(hasAnswered).rejects.toThrow('hang up')
  await expect.poll(other, { interval: 50 }).toMatchObject({ status: 200, body: { count: 0 } })
})
