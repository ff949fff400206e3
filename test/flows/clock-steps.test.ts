/**
 * Tests that the clock of the machine can be set forward and back while the server runs. Each step is followed by work
 * that the same polls claim: if they claimed running work again, it would be sent a second time before.
 */
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { startDns } from '../support/dns-server.ts'
import { mxAddress, startMxs } from '../support/fake-mx.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld } from '../support/world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

// A clock that was set forward by more than a lease sent running mail twice; after a step back, new mail was listed below.
test('when the clock is set, running work is not done twice, and new mail is still the newest', async () => {
  await using servers = await startMxs({ on: (line) => (line.includes('hangs@') ? 'hang' : undefined) })
  const [mx] = servers.mxs
  await using dns = await startDns({
    'a.test': { MX: [{ preference: 10, exchange: 'mx.a.test' }] },
    'mx.a.test': { A: [mxAddress(0)] },
  })
  await using sink = await startWebhookSink(() => undefined) // never responds
  let ahead = 0
  await using world = await startWorld({
    wallClock: () => Date.now() + ahead,
    env: { MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${servers.port}`, MARTLET_DNS_SERVERS: dns.address },
    limits: { server: { shutdownGraceMs: 50 } },
  })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.agentmail.webhooks.create({ url: sink.url, eventTypes: ['message.received', 'message.sent'] })
  const send = (to: string) => world.agentmail.inboxes.messages.send(ada.inboxId, { to, text: 'x' })
  const receive = (subject: string) => world.smtp.send({ to: ada.email, subject, text: 'x' })
  const received = async () =>
    (await world.agentmail.inboxes.messages.list(ada.inboxId, { labels: ['received'] })).messages
  const rcpts = () => mx.commands.filter((line) => line.startsWith('RCPT'))

  await send('hangs@a.test')
  await mx.until(() => rcpts().length === 1)
  await sink.count(1)

  ahead = HOUR
  for (const [round, to] of ['bea@a.test', 'cem@a.test'].entries()) {
    await send(to)
    await mx.mail(round + 1)
    await sink.count(round + 2)
  }
  expect(rcpts().map((line) => /<(.*?)>/.exec(line)![1])).toEqual(['hangs@a.test', 'bea@a.test', 'cem@a.test'])
  await receive('an hour ahead')
  await sink.count(4)
  expect(new Set(sink.calls.map(({ headers }) => headers['svix-id'])).size).toBe(sink.calls.length)

  ahead = 0
  await receive('set back')
  await receive('set back, later')
  expect((await received()).map(({ subject }) => subject)).toEqual(['set back, later', 'set back', 'an hour ahead'])
  await send('dan@a.test') // is due at once
  const { data } = await mx.mail(3)
  expect(Math.abs(Date.parse(/^Date: (.*)$/m.exec(data)![1]!) - Date.now())).toBeLessThan(HOUR / 2)
  const calls = await sink.count(7)
  expect(Math.abs(Number(calls.at(-1)!.headers['svix-timestamp']) * 1_000 - Date.now())).toBeLessThan(HOUR / 2)

  await world.restart()
  await receive('after a restart')
  expect((await received()).map(({ subject }) => subject)[0]).toBe('after a restart')
})

// The sweep compared the ages of files with the clock of the server. After a step back that stays ahead for as long as the step was, and
// the sweep deleted the files of messages that were arriving: one that its transaction did not refer to yet was lost after its 250.
test('a clock that was days ahead does not make the sweep delete a message that is arriving', async () => {
  let ahead = 0
  await using world = await startWorld({ wallClock: () => Date.now() + ahead, limits: { store: { sweepMs: 20 } } })
  ahead = 10 * DAY
  const { email } = await world.agentmail.inboxes.create({ username: 'ada' })
  ahead = 0

  const client = await RawClient.inData(world.smtpPort, email)
  client.send(`Subject: large\r\n\r\n${'large\r\n'.repeat(100_000)}`)
  await expect.poll(() => readdir(join(world.shared.blobsDir, 'incoming'))).toHaveLength(1)

  const unused = 'ab'.repeat(16)
  const folder = join(world.shared.blobsDir, 'ab')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, unused), 'of a transaction that was never committed')
  await utimes(join(folder, unused), new Date(Date.now() - 2 * DAY), new Date(Date.now() - 2 * DAY))
  await expect.poll(() => readdir(folder)).not.toContain(unused)
  expect(await client.command('.')).toMatch(/^250 /)
})

// A draft for the day after tomorrow was sent at once.
test('after a clock that was days ahead, a scheduled draft is sent at its time, not before', async () => {
  let ahead = 0
  const limits = { sending: { schedulePollMs: 20 } }
  await using world = await startWorld({ wallClock: () => Date.now() + ahead, limits })
  ahead = 10 * DAY
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  ahead = 0
  const { drafts, messages } = world.agentmail.inboxes
  const draft = (subject: string, sendAt: Date) => drafts.create(inboxId, { to: ['x@example.test'], subject, sendAt })
  const listed = async () => (await messages.list(inboxId)).messages.map(({ subject }) => subject)

  await draft('in two days', new Date(Date.now() + 2 * DAY))
  await draft('at once', new Date(Date.now() - 1_000))
  await expect.poll(listed).toEqual(['at once'])
  await draft('at once, later', new Date())
  await expect.poll(listed).toEqual(['at once, later', 'at once'])
  ahead = 2 * DAY
  await expect.poll(listed).toEqual(['in two days', 'at once, later', 'at once'])
})
