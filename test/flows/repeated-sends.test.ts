/** A program that repeats a send with its Idempotency-Key gets the first result, whatever may differ in a true repeat. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeAgent } from '../dialects/assmbl/agent.ts'
import { type Answer, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

// The key was not completed: it remained in use until its lease ended, and the repeat got 409.
test('a key that is used for a draft that was sent before is completed with the first message', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({})
  const { drafts, messages } = world.agentmail.inboxes
  await drafts.create(inboxId, { to: ['bob@example.test'], text: 'x', clientId: 'plan' })
  const sent = await drafts.send(inboxId, 'plan', {})
  for (let tries = 0; tries < 2; tries += 1) {
    expect(await drafts.send(inboxId, 'plan', {}, { idempotencyKey: 'later' })).toEqual(sent)
  }
  const other = drafts.send(inboxId, 'other', {}, { idempotencyKey: 'later' })
  await expect(other).rejects.toMatchObject({ statusCode: 409 })
  expect((await messages.list(inboxId)).count).toBe(1)
})

// Members of an object have no order, and some languages write them in another one each time.
test('a repeat may have its header fields in another order', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({})
  const send = (fields: object) =>
    world.request('POST', `/v0/inboxes/${inboxId}/messages/send`, {
      body: { to: 'bob@example.test', text: 'x', headers: fields },
      headers: { 'idempotency-key': 'ordered' },
    })
  const first = await send({ 'X-B': '1', 'X-A': '2' })
  expect(first.status).toBe(200)
  expect(await send({ 'X-A': '2', 'X-B': '1' })).toMatchObject({ status: 200, body: first.body })
  expect((await send({ 'X-A': '1', 'X-B': '2' })).status).toBe(409)
  expect((await send({ 'X-A': '2' })).status).toBe(409)
})

// Programs make one for each try.
test('a repeat may have another correlation id', async () => {
  const ada = await makeAgent(world)
  const send = (fields: Record<string, string>, more: object = {}): Promise<Answer> =>
    ada.request('POST', '/send', { to: 'bob@a.test', subject: 's', idempotency_key: 'k', ...more }, fields)
  const first = await send({ 'X-AgentMail-Correlation-Id': 'try 1' })
  expect(first).toMatchObject({ status: 200, body: { correlation_id: 'try 1' } })
  const { message_id } = first.body
  expect(await send({ 'X-AgentMail-Correlation-Id': 'try 2' })).toMatchObject({
    ...{ status: 200, body: { message_id, correlation_id: 'try 2' } },
  })
  expect(await send({}, { correlation_id: 'try 3' })).toMatchObject({ status: 200, body: { message_id } })
  expect(await send({})).toMatchObject({ status: 200, body: { message_id } })
  expect((await send({}, { headers: { 'X-Own': '1' } })).status).toBe(409)
})
