/** One mail, seen through four dialects: each side reads and changes the same message. */
import AgentPost from 'martlet/agentpost'
import { AgentMailClient as AssmblClient } from 'martlet/assmbl'
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a mail that an AgentPost client sends is seen on the WebSocket of AgentMail, labelled by Assmbl and answered by inboxai', async () => {
  await using world = await startWorld()
  const agentPost = new AgentPost({ apiKey: world.rootKey, baseUrl: world.url })
  const sender = await agentPost.inboxes.create({ username: 'sender', display_name: 'Sender' })
  const reader = await agentPost.inboxes.create({ username: 'reader', display_name: 'Reader' })
  const at = `/v0/inboxes/${encodeURIComponent(reader.email)}`
  const { body: key } = await world.request('POST', `${at}/api-keys`, { body: {} })
  const assmbl = new AssmblClient({ baseUrl: world.url, token: key.api_key })
  const socket = await world.subscribe({
    inboxIds: [reader.email],
    eventTypes: ['message.received', 'label.added', 'label.removed'],
  })

  const to = [{ email: reader.email, name: 'Reader' }]
  await agentPost.messages.send(sender.id, { to, subject: 'Grüße', text_body: 'one mail' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ subject: 'Grüße', from: 'Sender <sender@mail.localhost>', text: 'one mail' })

  const [item] = (await assmbl.listInbox({ q: 'grüße' })).items
  expect(item).toMatchObject({ InternetMessageID: message.message_id, Preview: 'one mail', IsRead: false })
  await assmbl.patchMessageLabels(item!.MessageID, { add: ['Urgent'] })
  expect(await socket.next('label.added')).toMatchObject({ label: { label: 'urgent' } })
  await assmbl.patchMessageRead(item!.MessageID)
  expect(await socket.next('label.removed')).toMatchObject({ label: { label: 'unread' } })
  await assmbl.patchMessageArchive(item!.MessageID)
  expect(await socket.next('label.added')).toMatchObject({ label: { label: 'archived' } })

  const labels = ['archived', 'received', 'urgent']
  const inAgentMail = await world.agentmail.inboxes.messages.get(reader.email, message.message_id)
  expect(inAgentMail.labels.toSorted()).toEqual(labels)
  const [inAgentPost] = (await agentPost.messages.list(reader.id)).data
  expect(inAgentPost).toMatchObject({ subject: 'Grüße', direction: 'inbound' })
  expect(inAgentPost!.labels.toSorted()).toEqual(labels)

  // inboxai answers it, and everyone sees the answer in the same thread.
  const inboxai = async (method: string, path: string, body?: object) =>
    (await world.request(method, `/api/v0/inboxes/${reader.email}${path}`, body && { body })).body
  const [inInboxai] = (await inboxai('GET', '/messages')).messages
  expect(inInboxai).toMatchObject({
    header_message_id: message.message_id,
    subject: 'Grüße',
    inbox_id: expect.any(String),
  })
  expect(inInboxai.labels.toSorted()).toEqual(labels)
  const reply = await inboxai('POST', `/messages/${inInboxai.message_id}/reply`, { text: 'one answer' })
  expect(reply.thread_id).toBe(inInboxai.thread_id)
  await expect.poll(async () => (await agentPost.threads.list(sender.id)).data).toMatchObject([{ message_count: 2 }])
  const { threads } = await world.agentmail.inboxes.threads.list(reader.email)
  expect(threads).toMatchObject([{ messageCount: 2, subject: 'Grüße' }])
  expect(await assmbl.getMessage(item!.MessageID)).toMatchObject({ ThreadID: expect.any(String), IsRead: true })
  await inboxai('DELETE', `/messages/${reply.message_id}`)

  // And back: AgentPost takes the label away, AgentMail puts the message back, Assmbl deletes it.
  await agentPost.messages.removeLabels(inAgentPost!.id, ['urgent'])
  await world.agentmail.inboxes.messages.update(reader.email, message.message_id, { removeLabels: ['archived'] })
  expect((await assmbl.listInbox()).items).toMatchObject([{ Labels: [], IsRead: true, Archived: false }])
  await assmbl.deleteMessage(item!.MessageID)
  expect((await agentPost.messages.list(reader.id)).data).toEqual([])
  await expect(world.agentmail.inboxes.messages.get(reader.email, message.message_id)).rejects.toMatchObject({
    statusCode: 404,
  })
})
