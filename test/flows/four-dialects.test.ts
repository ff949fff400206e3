/** One mail, seen through four dialects and IMAP: each side reads and changes the same message. */
import { ImapFlow } from 'imapflow'
import AgentPost from 'martlet/agentpost'
import { AgentMailClient as AssmblClient } from 'martlet/assmbl'
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('a mail that an AgentPost client sends is seen on the WebSocket of AgentMail, labelled by Assmbl, read and flagged in IMAP and answered by inboxai', async () => {
  await using world = await startWorld({ env: { MARTLET_IMAPS_PORT: '0' } })
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

  const imap = new ImapFlow({
    ...{ host: '127.0.0.1', port: world.imapsPort, secure: true, logger: false, tls: { rejectUnauthorized: false } },
    auth: { user: reader.email, pass: world.rootKey },
  })
  await imap.connect()
  const inImap: string[] = []
  imap.on('exists', ({ path, count }) => inImap.push(`${path} has ${count}`))
  imap.on('flags', ({ flags }) => inImap.push([...(flags ?? [])].toSorted().join(' ')))
  imap.on('expunge', ({ path }) => inImap.push(`gone from ${path}`))
  await imap.mailboxOpen('INBOX')
  const idling = imap.idle()

  const to = [{ email: reader.email, name: 'Reader' }]
  await agentPost.messages.send(sender.id, { to, subject: 'Grüße', text_body: 'one mail' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ subject: 'Grüße', from: 'Sender <sender@mail.localhost>', text: 'one mail' })

  await expect.poll(() => inImap).toEqual(['INBOX has 1'])

  const [item] = (await assmbl.listInbox({ q: 'grüße' })).items
  expect(item).toMatchObject({ InternetMessageID: message.message_id, Preview: 'one mail', IsRead: false })
  await assmbl.patchMessageLabels(item!.MessageID, { add: ['Urgent'] })
  expect(await socket.next('label.added')).toMatchObject({ label: { label: 'urgent' } })
  await assmbl.patchMessageRead(item!.MessageID)
  expect(await socket.next('label.removed')).toMatchObject({ label: { label: 'unread' } })
  await expect.poll(() => inImap.at(-1)).toMatch(/\\Seen.*urgent/)
  await assmbl.patchMessageArchive(item!.MessageID)
  expect(await socket.next('label.added')).toMatchObject({ label: { label: 'archived' } })

  // The IMAP session has seen it come, change and go to the archive, and flags it there.
  await expect.poll(() => inImap.at(-1)).toBe('gone from INBOX')
  await imap.mailboxOpen('Archive')
  await idling
  const fetched = await imap.fetchOne('1', { envelope: true, flags: true })
  expect(fetched).toMatchObject({ envelope: { subject: 'Grüße', messageId: message.message_id } })
  expect(await imap.messageFlagsAdd('1', ['\\Flagged'])).toBe(true)
  expect(await socket.next('label.added')).toMatchObject({ label: { label: 'flagged' } })

  const labels = ['archived', 'flagged', 'received', 'urgent']
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

  // And back: IMAP takes the flag away, AgentPost the label, AgentMail puts the message back, Assmbl deletes it.
  expect(await imap.messageFlagsRemove('1', ['\\Flagged'])).toBe(true)
  await agentPost.messages.removeLabels(inAgentPost!.id, ['urgent'])
  await world.agentmail.inboxes.messages.update(reader.email, message.message_id, {
    removeLabels: ['archived', 'replied'],
  })
  expect((await assmbl.listInbox()).items).toMatchObject([{ Labels: [], IsRead: true, Archived: false }])
  const atEnd = await imap.status('INBOX', { messages: true, unseen: true })
  expect(atEnd).toMatchObject({ messages: 1, unseen: 0 })
  await assmbl.deleteMessage(item!.MessageID)
  expect(await imap.status('INBOX', { messages: true })).toMatchObject({ messages: 0 })
  await imap.logout()
  expect((await agentPost.messages.list(reader.id)).data).toEqual([])
  await expect(world.agentmail.inboxes.messages.get(reader.email, message.message_id)).rejects.toMatchObject({
    statusCode: 404,
  })
})
