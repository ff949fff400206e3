import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

// Threads and download links used to work until the last message of a deleted inbox had been removed.
test('a deleted inbox disappears from every route at once, and its name is free when its messages are gone', async () => {
  // Removes one message per chunk, so that some are still stored when the deletion is answered.
  await using world = await startWorld({ limits: { jobs: { removalMessages: 1, removalPauseMs: 1 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  for (let index = 0; index < 30; index += 1)
    await world.smtp.send({ to: ada.email, subject: `${index}`, text: 'text' })
  const [message] = (await world.agentmail.inboxes.messages.list(ada.inboxId)).messages
  const raw = await world.agentmail.inboxes.messages.getRaw(ada.inboxId, message!.messageId)

  await world.agentmail.inboxes.delete(ada.inboxId)

  const [threads, thread, download, inbox] = await Promise.all([
    world.request('GET', '/v0/threads'),
    world.request('GET', `/v0/threads/${message!.threadId}`),
    fetch(raw.downloadUrl),
    world.request('GET', `/v0/inboxes/${ada.email}`),
  ])
  expect(threads.body.count).toBe(0)
  expect([thread.status, download.status, inbox.status]).toEqual([404, 404, 404])
  await expect(world.smtp.send({ to: ada.email, text: 'late' })).rejects.toMatchObject({ responseCode: 550 })
  for (;;) {
    const again = await world.request('POST', '/v0/inboxes', { body: { username: 'ada' } })
    if (again.status === 200) break
    const fix = expect.stringMatching(/^Wait until it is gone/)
    expect(again).toMatchObject({ status: 409, body: { code: 'resource_deleting', fix } })
  }
})

// Its messages were removed in transactions of 200 without a pause: other mail took 25 times as long.
test('the removal of messages pauses after each transaction, and a shutdown does not wait for the pause', async () => {
  await using world = await startWorld({ limits: { jobs: { removalMessages: 1, removalPauseMs: 3_600_000 } } })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const bob = await world.agentmail.inboxes.create({ username: 'bob' })
  for (const subject of ['1', '2']) await world.smtp.send({ to: ada.email, subject, text: 'text' })
  await world.agentmail.inboxes.delete(ada.inboxId)
  for (let index = 0; index < 10; index += 1)
    await world.smtp.send({ to: bob.email, subject: `${index}`, text: 'text' })
  const again = await world.request('POST', '/v0/inboxes', { body: { username: 'ada' } })
  expect(again).toMatchObject({ status: 409, body: { code: 'resource_deleting' } })
})
