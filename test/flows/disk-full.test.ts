import { expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

test('a nearly full disk causes temporary errors, loses nothing, and needs no action to recover', async () => {
  let free = Number.MAX_SAFE_INTEGER
  await using world = await startWorld({ limits: { store: { diskCheckMs: 5 } }, freeBytes: async () => free })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: ada.email, subject: 'before', text: 'kept' })

  free = 0
  const refused = await sendUntil(world, 503)
  expect(refused.headers.get('retry-after')).toBeTruthy()
  expect(refused.body).toMatchObject({ name: 'ServiceUnavailableError', code: 'service_unavailable' })
  await expect(world.smtp.send({ to: ada.email, subject: 'during', text: 'refused' })).rejects.toMatchObject({
    responseCode: 452,
    response: expect.stringContaining('4.3.1'),
  })
  expect(await world.request('GET', '/readyz')).toMatchObject({ status: 503, body: { failing: ['disk'] } })
  // Reads still work.
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId, { labels: ['received'] })).count).toBe(1)

  free = Number.MAX_SAFE_INTEGER
  const accepted = await sendUntil(world, 200)
  await world.smtp.send({ to: ada.email, subject: 'after', text: 'kept' })
  expect((await world.request('GET', '/readyz')).status).toBe(200)
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ subject }) => subject)).toContain('after')
  expect(messages.map(({ subject }) => subject)).not.toContain('during')
  expect(messages.map(({ messageId }) => messageId)).toContain(accepted.body.message_id)
})

/** Sends until the response has the expected status: the free disk space is checked every few milliseconds. */
async function sendUntil(world: World, status: number) {
  for (;;) {
    const answer = await world.request('POST', '/v0/inboxes/ada@mail.localhost/messages/send', {
      body: { to: 'zoe@example.test', text: 'hello' },
    })
    if (answer.status === status) return answer
  }
}
