import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test('reply, reply-all and forward stay in one thread', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const bob = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })

  await world.smtp.send({
    from: 'Ann <ann@example.test>',
    to: [ada.email, bob.email],
    cc: 'carl@example.test',
    subject: 'plans',
    text: 'shall we?',
    messageId: '<first@example.test>',
  })
  const { message } = await socket.next('message.received')

  const reply = await world.agentmail.inboxes.messages.reply(ada.inboxId, message.message_id, { text: 'yes' })
  const all = await world.agentmail.inboxes.messages.replyAll(ada.inboxId, message.message_id, { text: 'yes, all' })
  const forward = await world.agentmail.inboxes.messages.forward(ada.inboxId, message.message_id, {
    to: 'dora@example.test',
    text: 'see below',
  })
  expect([reply.threadId, all.threadId, forward.threadId]).toEqual(Array(3).fill(message.thread_id))

  const thread = await world.agentmail.inboxes.threads.get(ada.inboxId, message.thread_id)
  expect(thread.messages.map(({ subject, to, cc, inReplyTo }) => ({ subject, to, cc, inReplyTo }))).toEqual([
    { subject: 'plans', to: [ada.email, bob.email], cc: ['carl@example.test'], inReplyTo: undefined },
    { subject: 'Re: plans', to: ['Ann <ann@example.test>'], cc: undefined, inReplyTo: '<first@example.test>' },
    {
      subject: 'Re: plans',
      to: ['Ann <ann@example.test>'],
      cc: [bob.email, 'carl@example.test'],
      inReplyTo: '<first@example.test>',
    },
    { subject: 'Fwd: plans', to: ['dora@example.test'], cc: undefined, inReplyTo: undefined },
  ])
  expect(thread.messageCount).toBe(4)
  expect(thread.messages[3]!.text).toContain('shall we?')

  // An answer from outside is added to the thread by our Message-ID.
  await world.smtp.send({ to: ada.email, subject: 'other words', text: 'fine', inReplyTo: reply.messageId })
  expect((await socket.next('message.received')).message.thread_id).toBe(message.thread_id)
})

test('a reply that arrives before its parent is in one thread with it', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })

  await world.smtp.send({ to: ada.email, text: 'answer', messageId: '<b@example.test>', inReplyTo: '<a@example.test>' })
  const answer = await socket.next('message.received')
  await world.smtp.send({ to: ada.email, text: 'question', messageId: '<a@example.test>' })
  const question = await socket.next('message.received')

  expect(question.message.thread_id).toBe(answer.message.thread_id)
})

test('equal subjects alone do not join messages to one thread', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })

  await world.smtp.send({ to: ada.email, subject: 'Hello', text: 'one' })
  await world.smtp.send({ to: ada.email, subject: 'Re: Hello', text: 'two' })

  const [first, second] = [await socket.next('message.received'), await socket.next('message.received')]
  expect(second.message.thread_id).not.toBe(first.message.thread_id)
})

test('a forwarded attachment arrives unchanged', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const bob = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({
    eventTypes: ['message.received'],
    inboxIds: [ada.inboxId, bob.inboxId],
  })
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256))

  await world.smtp.send({ to: ada.email, text: 'see', attachments: [{ filename: 'zahlen.bin', content: bytes }] })
  const { message } = await socket.next()
  await world.agentmail.inboxes.messages.forward(ada.inboxId, message.message_id, { to: bob.email })

  const forwarded = (await socket.next()).message
  expect(forwarded.attachments).toMatchObject([{ filename: 'zahlen.bin', size: 5000 }])
  const [attachment] = forwarded.attachments
  const link = await world.agentmail.inboxes.messages.getAttachment(
    bob.inboxId,
    forwarded.message_id,
    attachment.attachment_id,
  )
  expect(Buffer.from(await (await fetch(link.downloadUrl)).arrayBuffer()).equals(bytes)).toBe(true)
})

test('a thread follows ids of every form that occurs, and a reply names its parent by the same id', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ eventTypes: ['message.received'], inboxIds: [ada.inboxId] })
  const receive = async (fields: string[]) => {
    const raw = ['From: ann@example.test', ...fields, '', 'x'].join('\r\n')
    await world.smtp.send({ envelope: { from: 'ann@example.test', to: ada.email }, raw })
    return (await socket.next()).message
  }
  const long = `DB7PR04MB4876${'F0E1D2C3B4A59687'.repeat(5)}@mail.example.test`
  const [head, tail] = [long.slice(0, 50), long.slice(50)]
  const encoded = `=?utf-8?q?=3C${head}?=\r\n =?utf-8?q?${tail.replace('@', '=40')}=3E?=`
  for (const [parentId, replyId, id] of [
    ['<20260601.7F3A2C>', '<20260601.7F3A2C>', '<20260601.7F3A2C>'],
    ['first@example.test', '<first@example.test>', '<first@example.test>'],
    ['<second@example.test>', 'second@example.test', '<second@example.test>'],
    [`<${long}>`, encoded, `<${long}>`],
    [`<a${head}\r\n\t${tail}>`, `<a${long}>`, `<a${long}>`],
  ] as const) {
    const parent = await receive([`Message-ID: ${parentId}`])
    const answer = await receive([`In-Reply-To: ${replyId}`])
    expect(answer.thread_id, parentId).toBe(parent.thread_id)
    const sent = await world.agentmail.inboxes.messages.reply(ada.inboxId, parent.message_id, { text: 'y' })
    const { inReplyTo, references } = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
    expect([sent.threadId, inReplyTo, references]).toEqual([parent.thread_id, id, [id]])
  }
})

// Message-IDs can be guessed: many programs number them. The conversation was shown in the thread of the stranger.
test('a stranger cannot claim the thread of a message by referring to its Message-ID before it arrives', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ eventTypes: ['message.received'], inboxIds: [ada.inboxId] })
  const threadOf = async (mail: object) => {
    await world.smtp.send({ to: ada.email, text: 'x', ...mail })
    return (await socket.next('message.received')).message.thread_id as string
  }

  const strangers = await threadOf({ subject: 'Do as I say', references: '<7@shop.test> <8@shop.test>' })
  const order = await threadOf({ subject: 'Your order', messageId: '<7@shop.test>' })
  expect(order).not.toBe(strangers)
  const reply = { subject: 'Re: Your order', inReplyTo: '<7@shop.test>' }
  expect(await threadOf(reply)).toBe(order)
  // A reply belongs to the message that it answers, whatever its subject.
  expect(await threadOf({ subject: 'Shipped!', inReplyTo: '<7@shop.test>' })).toBe(order)
  // Nor by a reference that both have, or by the same Message-ID.
  expect(await threadOf({ subject: 'Invoice', references: '<8@shop.test>' })).not.toBe(strangers)
  const taken = await threadOf({ subject: 'Do as I say', messageId: '<9@shop.test>' })
  expect(await threadOf({ subject: 'Your parcel', messageId: '<9@shop.test>' })).not.toBe(taken)
})

test('messages that refer to the same missing message are in one thread if they have the same subject', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ eventTypes: ['message.received'], inboxIds: [ada.inboxId] })
  const threads: string[] = []
  for (const subject of ['[acme/app] Crash (#7)', 'Re: [acme/app] Crash (#7)', 'AW: RE: Crash (#7)', 'Other']) {
    await world.smtp.send({ to: ada.email, subject, text: 'x', references: '<acme/app/7@forge.test>' })
    threads.push((await socket.next('message.received')).message.thread_id)
  }
  expect(new Set(threads.slice(0, 3)).size).toBe(1)
  expect(threads[3]).not.toBe(threads[0])
})
