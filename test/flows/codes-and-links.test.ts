/**
 * Tests that the one-time code and the verification link of a message are in every representation of the message.
 * test/formats tests which codes and links are found; this file tests that the search runs when a message is parsed,
 * and that its results are stored.
 */
import { expect, test } from 'vitest'
import { changeRows, readRows } from '../support/test-database.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

const MAIL = {
  from: 'accounts@shop.example',
  to: 'ada@mail.localhost',
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
const PATH = '/v0/inboxes/ada@mail.localhost/messages'

test('a code and a link are in the message, its thread, the WebSocket frame, the webhook and the wait', async () => {
  await using world = await startWorld()
  await using sink = await startWebhookSink()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.agentmail.webhooks.create({ url: sink.url, eventTypes: ['message.received'] })
  const socket = await world.subscribe({ inboxIds: ['ada@mail.localhost'] })
  const waiting = world.request('GET', `${PATH}/wait?subject=Confirm`)

  await world.smtp.send(MAIL)

  expect((await waiting).body.message).toMatchObject({ codes: CODES, links: LINKS })
  const frame = await socket.next('message.received')
  expect(frame.message).toMatchObject({ codes: CODES, links: LINKS })
  const [call] = await sink.count(1)
  expect(call!.event.message).toMatchObject({ codes: CODES, links: LINKS })
  expect(await get(world)).toMatchObject({ codes: CODES, links: LINKS })
  const thread = await world.request('GET', `/v0/threads/${frame.message.thread_id}`)
  expect(thread.body.messages).toMatchObject([{ codes: CODES, links: LINKS }])
  const { body: list } = await world.request('GET', PATH)
  expect(list.messages[0]).not.toHaveProperty('codes')
  expect(list.messages[0]).not.toHaveProperty('links')
})

test('a message without a code or link has empty lists, and a sent message is searched as well', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ ...MAIL, subject: 'Lunch', text: 'At noon?', messageId: '<lunch@shop.example>' })
  expect(await get(world, '<lunch@shop.example>')).toMatchObject({ codes: [], links: [] })

  const { to, subject, text } = MAIL
  const sent = await world.request('POST', `${PATH}/send`, { body: { to: [to], subject, text } })
  expect(await get(world, sent.body.message_id)).toMatchObject({ codes: CODES, links: LINKS })
})

test('a message with a large attachment, which is parsed in a worker thread, is searched too', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ ...MAIL, attachments: [{ filename: 'terms.bin', content: Buffer.alloc(400_000, 7) }] })
  const attachments = [{ size: 400_000 }] // if the thread fails, only the start is parsed
  expect(await get(world)).toMatchObject({ codes: CODES, links: LINKS, attachments })
})

test('a frame without its bodies keeps the codes and links', async () => {
  await using world = await startWorld({ limits: { sockets: { frameBytesMax: 3_000 } } })
  await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ inboxIds: ['ada@mail.localhost'] })
  await world.smtp.send({ ...MAIL, text: `${MAIL.text}\n\n${'Terms and more. '.repeat(300)}` })
  const { message, truncated } = await socket.next('message.received')
  expect(truncated).toBe(true)
  expect(message.text).toBeUndefined()
  expect(message).toMatchObject({ codes: CODES, links: LINKS })
})

test('the subject, text and HTML are searched at arrival, or when a message without stored results is read', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  const link = 'https://shop.example/confirm?token=Zk3f9Qm2Lp8x'
  await world.smtp.send({ ...MAIL, messageId: '<1@x.test>' })
  await world.smtp.send({ ...MAIL, messageId: '<2@x.test>', subject: '482913 is your login code', text: 'Keep it.' })
  const html = `<p>Welcome!</p><a href="${link}">Confirm your address</a>`
  await world.smtp.send({ ...MAIL, messageId: '<3@x.test>', text: undefined, html })
  const expected = [
    { codes: CODES, links: LINKS },
    { codes: [{ code: '482913' }], links: [] },
    { codes: [], links: [{ url: link }] },
  ]
  const shown = async () => [
    await get(world, '<1@x.test>'),
    await get(world, '<2@x.test>'),
    await get(world, '<3@x.test>'),
  ]

  expect(await shown()).toMatchObject(expected)
  const rows = await readRows(world, 'select verification from contents')
  expect(rows.filter(([found]) => found === null)).toEqual([])

  await changeRows(world, 'update contents set verification = null')
  expect(await shown()).toMatchObject(expected)
})

test('a message is returned with the results that were stored at its arrival, without another search', async () => {
  await using world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send(MAIL)
  const kept = { codes: [{ code: '0000', context: 'as kept', confidence: 0.5 }], links: [] }
  await changeRows(world, `update contents set verification = '${JSON.stringify(kept)}'`)
  expect(await get(world)).toMatchObject(kept)
})

async function get(world: World, messageId = MAIL.messageId) {
  const { status, body } = await world.request('GET', `${PATH}/${encodeURIComponent(messageId)}`)
  expect(status).toBe(200)
  return body
}
