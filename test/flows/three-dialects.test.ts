/** One mail, seen through three dialects: each side reads and changes the same message. */
import AgentPost from 'martlet/agentpost'
import { AgentMailClient as AssmblClient } from 'martlet/assmbl'
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a mail that an AgentPost client sends is seen on the WebSocket of AgentMail and labelled by Assmbl', async () => {
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
