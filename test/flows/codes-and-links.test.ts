/**
 * Tests that the one-time code and the verification link of a message are in every representation of the message.
 * test/formats tests which codes and links are found; this file tests that the search runs when a message is parsed,
 * and that its results are stored.
 */
import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { changeRows, readRows } from '../support/test-database.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const MAIL = {
  from: 'accounts@shop.example',
  subject: 'Confirm your address',
  text: 'Your verification code is 482913.\n\nOr confirm with this link:\nhttps://shop.example/verify?token=Zk3f9Qm2Lp8x',
  messageId: '<code@shop.example>',
}
const CODES = [
  { code: '482913', context: expect.stringContaining('verification code'), confidence: expect.any(Number) },
]
const LINKS = [
  {
    url: 'https://shop.example/verify?token=Zk3f9Qm2Lp8x',
    context: expect.stringContaining('confirm'),
    confidence: expect.any(Number),
  },
]

const sharedWorld = sharedByFile(() => startWorld())

/** Creates the inbox of a test. */
async function openInbox(world: World, username: string) {
  const { email } = await world.agentmail.inboxes.create({ username })
  const path = `/v0/inboxes/${email}/messages`
  return {
    email,
    path,
    receive: (mail: object = {}) => world.smtp.send({ ...MAIL, to: email, ...mail }),
    async get(messageId = MAIL.messageId) {
      const { status, body } = await world.request('GET', `${path}/${encodeURIComponent(messageId)}`)
      expect(status).toBe(200)
      return body
    },
  }
}

test('a code and a link are in the message, its thread, the WebSocket frame, the webhook and the wait', async () => {
  const world = await sharedWorld()
  await using sink = await startWebhookSink()
  const inbox = await openInbox(world, 'ada')
  await world.agentmail.webhooks.create({
    ...{ url: sink.url, eventTypes: ['message.received'] },
    inboxIds: [inbox.email],
  })
  const socket = await world.subscribe({ inboxIds: [inbox.email] })
  const waiting = world.request('GET', `${inbox.path}/wait?subject=Confirm`)

  await inbox.receive()

  expect((await waiting).body.message).toMatchObject({ codes: CODES, links: LINKS })
  const frame = await socket.next('message.received')
  expect(frame.message).toMatchObject({ codes: CODES, links: LINKS })
  const [call] = await sink.count(1)
  expect(call!.event.message).toMatchObject({ codes: CODES, links: LINKS })
  expect(await inbox.get()).toMatchObject({ codes: CODES, links: LINKS })
  const thread = await world.request('GET', `/v0/threads/${frame.message.thread_id}`)
  expect(thread.body.messages).toMatchObject([{ codes: CODES, links: LINKS }])
  const { body: list } = await world.request('GET', inbox.path)
  expect(list.messages[0]).not.toHaveProperty('codes')
  expect(list.messages[0]).not.toHaveProperty('links')
})

test('a message without a code or link has empty lists, and a sent message is searched as well', async () => {
  const world = await sharedWorld()
  const inbox = await openInbox(world, 'bea')
  await inbox.receive({ subject: 'Lunch', text: 'At noon?', messageId: '<lunch@shop.example>' })
  expect(await inbox.get('<lunch@shop.example>')).toMatchObject({ codes: [], links: [] })

  const { subject, text } = MAIL
  const sent = await world.request('POST', `${inbox.path}/send`, { body: { to: [inbox.email], subject, text } })
  expect(await inbox.get(sent.body.message_id)).toMatchObject({ codes: CODES, links: LINKS })
})

test('a message with a large attachment, which is parsed in a worker thread, is searched too', async () => {
  const world = await sharedWorld()
  const inbox = await openInbox(world, 'cat')
  await inbox.receive({ attachments: [{ filename: 'terms.bin', content: Buffer.alloc(400_000, 7) }] })
  const attachments = [{ size: 400_000 }] // if the thread fails, only the start is parsed
  expect(await inbox.get()).toMatchObject({ codes: CODES, links: LINKS, attachments })
})

test('a frame without its bodies keeps the codes and links', async () => {
  await using world = await startWorld({ limits: { sockets: { frameBytesMax: 3_000 } } })
  const inbox = await openInbox(world, 'dot')
  const socket = await world.subscribe({ inboxIds: [inbox.email] })
  await inbox.receive({ text: `${MAIL.text}\n\n${'Terms and more. '.repeat(300)}` })
  const { message, truncated } = await socket.next('message.received')
  expect(truncated).toBe(true)
  expect(message.text).toBeUndefined()
  expect(message).toMatchObject({ codes: CODES, links: LINKS })
})

test('the subject, text and HTML are searched at arrival, or when a message without stored results is read', async () => {
  const world = await sharedWorld()
  const inbox = await openInbox(world, 'eva')
  const link = 'https://shop.example/confirm?token=Zk3f9Qm2Lp8x'
  await inbox.receive({ messageId: '<1@x.test>' })
  await inbox.receive({ messageId: '<2@x.test>', subject: '482913 is your login code', text: 'Keep it.' })
  const html = `<p>Welcome!</p><a href="${link}">Confirm your address</a>`
  await inbox.receive({ messageId: '<3@x.test>', text: undefined, html })
  const expected = [
    { codes: CODES, links: LINKS },
    { codes: [{ code: '482913' }], links: [] },
    { codes: [], links: [{ url: link }] },
  ]
  const shown = async () => [
    await inbox.get('<1@x.test>'),
    await inbox.get('<2@x.test>'),
    await inbox.get('<3@x.test>'),
  ]

  expect(await shown()).toMatchObject(expected)
  const rows = await readRows(world, 'select verification from contents')
  expect(rows.filter(([found]) => found === null)).toEqual([])

  await changeRows(world, 'update contents set verification = null')
  expect(await shown()).toMatchObject(expected)
})

test('a message is returned with the results that were stored at its arrival, without another search', async () => {
  const world = await sharedWorld()
  const inbox = await openInbox(world, 'flo')
  await inbox.receive()
  const kept = { codes: [{ code: '0000', context: 'as kept', confidence: 0.5 }], links: [] }
  await changeRows(world, `update contents set verification = '${JSON.stringify(kept)}'`)
  expect(await inbox.get()).toMatchObject(kept)
})
