/** Tests that outbound mail and webhooks can start paused, over restarts, until the operator resumes them. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { FakeMx } from '../support/fake-mx.ts'
import { startWorld } from '../support/world.ts'

// A server restored from a backup sent its queue and its webhooks at once, for the second time.
test('while paused, nothing leaves and the rest works; a resume by the root key sends everything, once', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const posted: string[] = []
  const hook = createServer((request, response) => {
    posted.push(String(request.headers['svix-id'] ?? request.url))
    response.end()
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  await using _hook = { [Symbol.asyncDispose]: async () => void hook.close() }
  await using world = await startWorld({
    env: { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
    // The webhooks' interval is not shortened: the end of the pause must wake the worker.
    limits: { delivery: { pollMs: 20 }, webhooks: { pollMs: 600_000 } },
    startPaused: true,
  })
  expect((await world.request('GET', '/readyz')).body).toEqual({ status: 'ready', outbound: 'paused' })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob' })
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`
  await world.agentmail.webhooks.create({ url, eventTypes: ['message.received'] })
  const socket = await world.subscribe({ eventTypes: ['message.received', 'message.delivered'] })
  await world.agentmail.inboxes.messages.send(ada.inboxId, { to: ['eve@example.test', bob.email], text: 'x' })
  await socket.next('message.received') // local mail is delivered
  await socket.next('message.delivered')

  // Over a restart, without the option.
  await world.restart()
  expect((await world.request('GET', '/readyz')).body).toMatchObject({ outbound: 'paused' })
  expect((await world.request('GET', '/v0/outbound')).body).toEqual({ state: 'paused', paused_at: expect.any(String) })
  expect((await world.request('GET', '/v0/queue')).body.recipients).toMatchObject([
    { recipient: 'eve@example.test', state: 'queued', attempts: 0 },
  ])
  const { api_key: other } = (await world.request('POST', '/v0/api-keys', { body: { name: 'other' } })).body
  expect((await world.request('POST', '/v0/outbound/resume', { key: other })).status).toBe(403)
  expect([relay.messages.length, posted]).toEqual([0, []])

  expect((await world.request('POST', '/v0/outbound/resume')).body).toEqual({ state: 'running', was_paused: true })
  expect((await relay.mail()).to).toEqual(['eve@example.test'])
  await expect.poll(() => posted.length).toBe(1)
  expect((await world.request('GET', '/readyz')).body).toEqual({ status: 'ready' })
  expect((await world.request('POST', '/v0/outbound/resume')).body).toEqual({ state: 'running', was_paused: false })
  expect(relay.messages).toHaveLength(1)
})
