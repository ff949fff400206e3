/** Tests conflicts that end by themselves: a response says that waiting helps, and others do not. */
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { startWebhookSink } from '../../support/webhook-sink.ts'
import { startWorld } from '../../support/world.ts'

// Both were the same 409, so a program that repeats its requests could not tell "wait" from "use another key".
test('a repeated send says whether its first request still runs, or used the key for something else', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const held: ServerResponse[] = []
  await using files = await startWebhookSink((response) => void held.push(response))
  const mail = { to: 'cy@example.test', text: 'x', attachments: [{ url: files.url }] }
  const send = (body: object) =>
    world.request('POST', `/v0/inboxes/${inboxId}/messages/send`, { body, headers: { 'idempotency-key': 'once' } })

  const first = send(mail)
  await files.count(1)
  const running = await send(mail)
  expect(running).toMatchObject({ status: 409, body: { name: 'ConflictError', code: 'conflict' } })
  expect(running.body.message).toContain('is still running')
  expect(running.body.fix).toContain('with the same key')
  expect(running.headers.get('retry-after')).toBe('1')

  const other = await send({ ...mail, text: 'y' })
  expect(other).toMatchObject({ status: 409, body: { name: 'ConflictError', code: 'conflict' } })
  expect(other.body.message).toContain('was used for another request')
  expect(other.body.fix).toContain('Use another key')
  expect(other.headers.get('retry-after')).toBeNull()

  held[0]!.setHeader('content-type', 'text/csv').end('a,b')
  const sent = await first
  expect(sent.status).toBe(200)
  expect((await send(mail)).body).toEqual(sent.body)
})
