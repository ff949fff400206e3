/**
 * Tests that the clock of the machine can be set forward and back while the server runs. Each step is followed by work
 * that the same polls claim: if they claimed running work again, it would be sent a second time before.
 */
import { expect, test } from 'vitest'
import { startDns } from '../support/dns-server.ts'
import { mxAddress, startMxs } from '../support/fake-mx.ts'
import { startWebhookSink } from '../support/webhook-sink.ts'
import { startWorld } from '../support/world.ts'

const HOUR = 3_600_000

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
