/** Messages whose last line arrives at the same time are filed together; each still gets its own answer and event. */
import pg from 'pg'
import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { notSupported } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

test('if the inbox of one message was deleted meanwhile, only that message is refused', async () => {
  await using world = await startWorld()
  const names = Array.from({ length: 10 }, (_, index) => `box${index}`)
  const inboxes = await Promise.all(names.map((username) => world.agentmail.inboxes.create({ username })))
  const clients = await Promise.all(inboxes.map(({ email }) => RawClient.inData(world.smtpPort, email)))
  await world.agentmail.inboxes.delete(inboxes[3]!.inboxId)

  for (const [index, client] of clients.entries())
    client.send(`Message-ID: <${index}@x.test>\r\nSubject: ${index}\r\n\r\nhello\r\n.\r\n`)
  const replies = await Promise.all(clients.map((client) => client.reply()))

  expect(replies.map((reply) => reply.slice(0, 3))).toEqual(names.map((_, index) => (index === 3 ? '550' : '250')))
  for (const [index, { inboxId }] of inboxes.entries()) {
    if (index === 3) continue
    const { messages } = await world.agentmail.inboxes.messages.list(inboxId)
    expect(messages.map(({ subject }) => subject)).toEqual([`${index}`])
  }
})

test('replies that arrive together join the thread one after the other, and each event shows the thread as it then was', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.inData(world.smtpPort, ada.email)))

  for (const [index, client] of clients.entries()) {
    const refersTo = index === 0 ? '' : 'In-Reply-To: <0@x.test>\r\n'
    client.send(`Message-ID: <${index}@x.test>\r\n${refersTo}Subject: ${index}\r\n\r\nhello\r\n.\r\n`)
  }
  for (const client of clients) expect(await client.reply()).toMatch(/^250/)

  const { body } = await world.request('GET', '/v0/events?event_types=message.received')
  const threads = (body.events as { thread: { thread_id: string; message_count: number } }[]).map(
    ({ thread }) => thread,
  )
  expect(threads.map((thread) => thread.message_count)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(new Set(threads.map((thread) => thread.thread_id)).size).toBe(1)
})

// A batch leaves out inboxes that another node has locked. It took the address for a role name without an inbox of its own.
notSupported('sqlite', 'it has one node')(
  'a message for abuse@ waits for its inbox while another node has locked it; others do not',
  async () => {
    await using world = await startWorld()
    const names = ['abuse', ...Array.from({ length: 9 }, (_, index) => `box${index}`)]
    const inboxes = await Promise.all(names.map((username) => world.agentmail.inboxes.create({ username })))
    const clients = await Promise.all(inboxes.map(({ email }) => RawClient.inData(world.smtpPort, email)))
    const other = new pg.Client({ connectionString: world.shared.databaseUrl })
    await other.connect()
    await other.query('begin')
    await other.query('select 1 from inboxes where address = $1 for update', ['abuse@mail.localhost'])

    for (const [index, client] of clients.entries())
      client.send(`Message-ID: <${index}@x.test>\r\nSubject: ${index}\r\n\r\nhello\r\n.\r\n`)
    for (const client of clients.slice(1)) expect(await client.reply()).toMatch(/^250/)
    await other.query('commit')
    await other.end()
    expect(await clients[0]!.reply()).toMatch(/^250/)

    const { messages } = await world.agentmail.inboxes.messages.list('abuse@mail.localhost')
    expect(messages.map(({ subject }) => subject)).toEqual(['0'])
  },
)
