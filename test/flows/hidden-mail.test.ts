import { expect, test } from 'vitest'
import { startWorld } from '../world.ts'

// A thread's list entry used to include the text and file names of its spam, and its spam label could be removed
// through it.
test('a key that may not read spam cannot learn about it, or change it, through its thread', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  const send = (mail: object) => world.smtp.send({ to: ada.email, ...mail })
  await send({ from: 'ann@example.test', messageId: '<seen@x.test>', subject: 'hello', text: 'seen words' })
  const seen = (await socket.next('message.received')).message
  await send({
    from: 'eve@example.test',
    messageId: '<hidden@x.test>',
    inReplyTo: '<seen@x.test>',
    text: 'hidden words',
    attachments: [{ filename: 'hidden.bin', content: 'x' }],
  })
  const hidden = (await socket.next('message.received')).message
  expect(hidden.thread_id).toBe(seen.thread_id)
  const path = (id: string) => `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(id)}`
  await world.request('PATCH', path('<hidden@x.test>'), { body: { add_labels: ['spam'] } })
  const permissions = { inbox_read: true, message_read: true, message_update: true, message_delete: true }
  const { body: made } = await world.request('POST', '/v0/api-keys', { body: { name: 'narrow', permissions } })
  const key: string = made.api_key

  const list = await world.request('GET', '/v0/threads', { key })
  const thread = await world.request('GET', `/v0/threads/${seen.thread_id}`, { key })
  expect(list.body.threads).toHaveLength(1)
  for (const shown of [list.body.threads[0], thread.body]) {
    expect(JSON.stringify(shown)).not.toMatch(/hidden|eve|spam/)
    expect(shown).toMatchObject({ preview: 'seen words', message_count: 1, last_message_id: '<seen@x.test>' })
  }
  expect((await world.request('GET', path('<hidden@x.test>'), { key })).status).toBe(404)

  // The key can neither reveal nor delete a message that it may not see.
  await world.request('PATCH', `/v0/threads/${seen.thread_id}`, { key, body: { remove_labels: ['spam'] } })
  expect((await world.request('GET', path('<hidden@x.test>'), { key })).status).toBe(404)
  expect((await world.request('DELETE', `/v0/threads/${seen.thread_id}`, { key })).status).toBe(204)
  expect((await world.request('GET', path('<seen@x.test>'))).status).toBe(404)
  expect((await world.request('GET', path('<hidden@x.test>'))).body.labels).toContain('spam')
})

test('deleting a hidden message leaves its thread visible, even if more messages are hidden later', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const send = (name: string) =>
    world.smtp.send({
      to: ada.email,
      messageId: `<${name}@x.test>`,
      references: '<seen@x.test>',
      text: `${name} words`,
    })
  for (const name of ['seen', 'first', 'second']) await send(name)
  const path = (name: string) => `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(`<${name}@x.test>`)}`
  const hide = (name: string) => world.request('PATCH', path(name), { body: { add_labels: ['spam'] } })
  await hide('first')
  expect((await world.request('DELETE', path('first'))).status).toBe(204)
  await hide('second')

  const { threads } = (await world.request('GET', `/v0/inboxes/${ada.email}/threads`)).body
  expect(threads).toMatchObject([{ message_count: 1, preview: 'seen words' }])
})
