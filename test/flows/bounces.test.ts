import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld, type World } from '../support/world.ts'

/** For tests that do not restart the server. */
const sharedWorld = sharedByFile(() => startWorld())
let inboxCount = 0

const POSTMASTER = 'postmaster@mail.localhost'

/** Sends to two recipients that do not exist. Resolves when the bounce notice has arrived. */
async function bounce(world: World) {
  inboxCount += 1
  const ada = await world.agentmail.inboxes.create({ username: `ada${inboxCount}` })
  // Nobody else may answer it, which does not concern notices.
  await world.agentmail.inboxes.lists.create(ada.inboxId, 'reply', 'allow', { entry: 'ann@example.test' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId, POSTMASTER] })
  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: ['nobody@mail.localhost', 'noone@mail.localhost'],
    subject: 'grüße',
    text: 'hello',
  })
  const { message } = await socket.next('message.received')
  return { ada, socket, sent, notice: message }
}

test('a bounced message causes a notice to the sending inbox, in its thread, with the reason', async () => {
  const world = await sharedWorld()
  const { ada, socket, sent, notice } = await bounce(world)

  expect(notice).toMatchObject({
    inbox_id: ada.email,
    thread_id: sent.threadId,
    labels: ['received', 'unread'],
    from: 'Mail delivery <MAILER-DAEMON@mail.localhost>',
    to: [ada.email],
    subject: 'Not delivered: grüße',
    in_reply_to: sent.messageId,
    references: [sent.messageId],
  })
  expect(notice.text).toContain(
    'To nobody@mail.localhost:\n  Reason: 550 There is no mailbox nobody@mail.localhost here\n',
  )
  expect(notice.text).toContain('To noone@mail.localhost:')
  expect(notice.headers).toMatchObject({ 'Auto-Submitted': 'auto-replied', 'Return-Path': '<>' })
  expect(notice.attachments.map((part: { content_type: string }) => part.content_type)).toEqual([
    'message/delivery-status',
    'text/rfc822-headers',
  ])
  expect((await socket.next('message.bounced')).bounce).toMatchObject({
    message_id: sent.messageId,
    recipients: [
      { address: 'nobody@mail.localhost', status: '5.1.1' },
      { address: 'noone@mail.localhost', status: '5.1.1' },
    ],
  })

  const thread = await world.agentmail.inboxes.threads.get(ada.inboxId, sent.threadId)
  expect(thread.messages.map(({ messageId }) => messageId)).toEqual([sent.messageId, notice.message_id])
  const copy = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['bounced', 'sent'])
  const report = notice.attachments[0].attachment_id
  const { downloadUrl } = await world.agentmail.inboxes.messages.getAttachment(ada.inboxId, notice.message_id, report)
  expect(await (await fetch(downloadUrl)).text()).toContain('Final-Recipient: rfc822; nobody@mail.localhost\r\n')
})

test('the history of a bounced recipient has the reply, and the queue is empty', async () => {
  const world = await sharedWorld()
  const { ada, sent } = await bounce(world)
  const path = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(sent.messageId)}/deliveries`
  const { body } = await world.request('GET', path)
  expect(body.deliveries[0]).toMatchObject({
    recipient: 'nobody@mail.localhost',
    state: 'bounced',
    last_code: 550,
    last_enhanced_code: '5.1.1',
    last_reply: 'There is no mailbox nobody@mail.localhost here',
    history: [{ outcome: 'failed_for_good', reply: 'There is no mailbox nobody@mail.localhost here' }],
  })
  // The notice is removed from the queue in the transaction after the one that stores it in the inbox.
  await expect.poll(async () => (await world.request('GET', '/v0/queue')).body.count).toBe(0)
})

// Otherwise an agent that answers every message would answer the notice, get a notice for that answer, and so on.
test('an answer to a notice goes to the postmaster and causes no other notice', async () => {
  const world = await sharedWorld()
  const { ada, socket, notice } = await bounce(world)
  const reply = await world.agentmail.inboxes.messages.reply(ada.inboxId, notice.message_id, { text: 'Sorry?' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ inbox_id: POSTMASTER, message_id: reply.messageId })
  expect((await socket.next('message.delivered')).delivery).toMatchObject({ message_id: reply.messageId })
})

test('after a restart of the server the notice is still there, once', async () => {
  await using world = await startWorld()
  const { ada, sent } = await bounce(world)
  await world.restart()
  const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
  expect(messages.map(({ threadId }) => threadId)).toEqual([sent.threadId, sent.threadId])
})
