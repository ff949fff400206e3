/**
 * Tests mail that may leave no more: addresses that bounced are suppressed, and accepted mail is rejected when its inbox is
 * paused or a list denies its recipient. With a real DNS server and a real SMTP server, on loopback.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDns } from '../support/dns-server.ts'
import { type FakeMx, mxAddress, startMxs } from '../support/fake-mx.ts'
import { changeRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

/** The replies to RCPT, by the local part of the recipient; others are accepted. */
const REPLIES: Readonly<Record<string, string>> = {
  gone: '550 5.1.1 No such user',
  moved: '551 5.1.6 Moved',
  absent: '550 5.1.1 No such user',
  policy: '550 5.7.1 Blocked by policy',
  full: '552 5.2.2 Mailbox full',
  sender: '550 5.1.8 Bad sender',
  plain: '550 No such user',
  later: '451 4.2.0 Later',
}

let world: World
let mx: FakeMx
const stops: (() => PromiseLike<void>)[] = []

beforeAll(async () => {
  const on = (line: string) => REPLIES[/^RCPT TO:<(\w+)@/.exec(line)?.[1] ?? '']
  const servers = await startMxs({ on })
  const zones = { 'a.test': { MX: [{ preference: 10, exchange: 'mx.a.test' }] }, 'mx.a.test': { A: [mxAddress(0)] } }
  const dns = await startDns(zones)
  const env = {
    MARTLET_OUTBOUND: 'direct',
    MARTLET_OUTBOUND_PORT: `${servers.port}`,
    MARTLET_DNS_SERVERS: dns.address,
  }
  mx = servers.mxs[0]!
  world = await startWorld({ env, limits: { delivery: { retryFirstMs: 20, pollMs: 20 } } })
  stops.push(
    () => world[Symbol.asyncDispose](),
    () => dns[Symbol.asyncDispose](),
    () => servers[Symbol.asyncDispose](),
  )
})
afterAll(async () => {
  for (const stop of stops) await stop()
})

async function createInbox(username: string, eventTypes: string[]) {
  const { inboxId } = await world.agentmail.inboxes.create({ username })
  const socket = await world.subscribe({ inboxIds: [inboxId], eventTypes })
  const send = (to: string | string[]) =>
    world.agentmail.inboxes.messages.send(inboxId, { to, subject: 'hi', text: 'hello' })
  return { inboxId, socket, send }
}

const suppressed = async () => (await world.agentmail.lists.list('send', 'block')).entries

test('an address that does not exist is suppressed for the organization; other failures suppress nothing', async () => {
  const { socket, send } = await createInbox('ada', ['message.bounced'])
  const failing = ['policy', 'full', 'sender', 'plain'].map((name) => `${name}@a.test`)
  const bounced = new Set<string>()
  const waitFor = async (count: number) => {
    while (bounced.size < count)
      for (const { address } of (await socket.next('message.bounced')).bounce.recipients) bounced.add(address)
  }
  await send(failing)
  await send('nobody@mail.localhost') // an inbox of this server may be created later
  await send('ann@lapsed.test') // so may a domain, and one that has lapsed comes back
  await waitFor(6)
  expect(await suppressed()).toEqual([])

  await send(['gone@a.test', 'moved@a.test', 'ok@a.test'])
  await waitFor(8)
  const { organizationId } = await world.agentmail.organizations.get()
  const entry = { organizationId, direction: 'send', listType: 'block', entryType: 'email', readOnly: true }
  expect(await suppressed()).toEqual([
    {
      ...{ ...entry, entry: 'gone@a.test', createdAt: expect.any(Date) },
      reason: 'Bounced: mx.a.test rejected mail for this address: 550 5.1.1 No such user',
    },
    expect.objectContaining({ ...entry, entry: 'moved@a.test' }),
  ])

  const other = await createInbox('bob', [])
  for (const refused of [() => send('gone@a.test'), () => other.send(['ok@a.test', 'gone@a.test'])]) {
    await expect(refused()).rejects.toMatchObject({
      statusCode: 403,
      body: {
        code: 'message_rejected',
        message: 'Message rejected: Recipient(s) blocked: gone@a.test (mail to it bounced, or was reported as spam)',
        fix: expect.stringContaining('is read-only: GET /v0/lists/send/block/gone%40a.test'),
      },
    })
  }
  // An allow list of an inbox does not make the address exist.
  await world.agentmail.inboxes.lists.create(other.inboxId, 'send', 'allow', { entry: 'gone@a.test' })
  await expect(other.send('gone@a.test')).rejects.toMatchObject({ statusCode: 403 })
  await expect(world.agentmail.lists.delete('send', 'block', 'gone@a.test')).rejects.toMatchObject({
    statusCode: 403,
    body: { code: 'cannot_delete' },
  })

  const remove = (address: string, key = world.rootKey) =>
    world.request('POST', '/v0/suppressions/remove', { body: { address }, key })
  const { body } = await world.request('POST', '/v0/api-keys', { body: {} })
  expect(await remove('moved@a.test', body.api_key)).toMatchObject({ status: 403 })
  const inOther = { body: { address: 'moved@a.test', organization_id: 'another' } }
  expect((await world.request('POST', '/v0/suppressions/remove', inOther)).body).toMatchObject({ removed: false })
  // The root key lifts it for organizations that signed up, too.
  const signUp = { body: { username: 'other-org' }, key: '' }
  const { body: signedUp } = await world.request('POST', '/v0/agent/sign-up', signUp)
  const ofOther = signedUp.organization_id as string
  await changeRows(
    world,
    `insert into list_entries (scope_id, direction, list_type, entry, organization_id, read_only, created_at)
      select '${ofOther}', direction, list_type, entry, '${ofOther}', read_only, created_at
      from list_entries where entry = 'moved@a.test'`,
  )
  const removed = { removed: true, organization_ids: expect.arrayContaining([organizationId, ofOther]) }
  expect(await remove(' MOVED@a.test')).toMatchObject({ status: 200, body: removed })
  expect(await remove('moved@a.test')).toMatchObject({ status: 200, body: { removed: false } })
  expect((await remove('no address')).status).toBe(400)
  await world.agentmail.lists.create('send', 'block', { entry: 'own@a.test' })
  expect((await remove('own@a.test')).body).toEqual({ removed: false, organization_ids: [] })
  expect((await suppressed()).map(({ entry }) => entry)).toEqual(['gone@a.test', 'own@a.test'])
})

test('a refusal of the sender, or of a message to several recipients, suppresses none of them', async () => {
  const { socket, send } = await createInbox('fay', ['message.bounced'])
  const usual = mx.behaviour
  const before = await suppressed()
  const refusedAt = async (command: string, to: string[]) => {
    mx.behaviour = { ...usual, on: (line) => (line.startsWith(command) ? '550 5.1.1 Address rejected' : undefined) }
    await send(to)
    const bounced: string[] = []
    while (bounced.length < to.length)
      for (const { address } of (await socket.next('message.bounced')).bounce.recipients) bounced.push(address)
    mx.behaviour = usual
    expect(bounced.toSorted()).toEqual(to)
  }
  await refusedAt('MAIL', ['one@a.test'])
  await refusedAt('MAIL', ['one@a.test', 'two@a.test'])
  await refusedAt('.', ['one@a.test', 'two@a.test'])
  expect(await suppressed()).toEqual(before)
  await refusedAt('.', ['alone@a.test'])
  expect((await suppressed()).map(({ entry }) => entry)).toContain('alone@a.test')
})

test('mail that waits in the queue is rejected when a list denies its recipient', async () => {
  const { inboxId, socket, send } = await createInbox('cleo', ['message.delayed', 'message.rejected', 'label.added'])
  const sent = await send(['later@a.test', 'fine@a.test'])
  await socket.next('message.delayed')
  await world.agentmail.inboxes.lists.create(inboxId, 'send', 'block', { entry: 'later@a.test' })
  const reason = 'Recipient blocked: later@a.test (in block list)'
  const { reject, event_id } = await socket.next('message.rejected')
  const about = { inbox_id: inboxId, thread_id: sent.threadId, message_id: sent.messageId }
  expect(reject).toEqual({ ...about, timestamp: expect.any(String), reason, recipients: ['later@a.test'] })
  expect(event_id).toMatch(/^evt_/)

  const { labels } = await world.agentmail.inboxes.messages.get(inboxId, sent.messageId)
  expect(labels).toEqual(['delivered', 'rejected', 'sent'])
  const at = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(sent.messageId)}/deliveries`
  const { body } = await world.request('GET', at)
  expect(body.deliveries[0]).toMatchObject({ recipient: 'later@a.test', state: 'rejected', last_reply: reason })
  expect(body.deliveries[0].history.at(-1)).toMatchObject({ target: 'rejected', outcome: 'rejected', reply: reason })
  expect(body.deliveries[1]).toMatchObject({ recipient: 'fine@a.test', state: 'delivered' })
  expect((await world.request('GET', `/v0/inboxes/${inboxId}/queue`)).body.count).toBe(0)
})

test('held mail of an inbox that was paused is rejected when it is released', async () => {
  const { inboxId, socket, send } = await createInbox('dora', ['message.delayed', 'message.held', 'message.rejected'])
  const sent = await send('later@a.test')
  await socket.next('message.delayed')
  const at = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(sent.messageId)}/deliveries`
  await expect.poll(async () => (await world.request('POST', `${at}/hold`)).body.changed).toBe(1)
  await socket.next('message.held')
  const before = mx.commands.length
  await world.request('PATCH', `/v0/inboxes/${inboxId}`, { body: { status: 'paused' } })
  await world.request('POST', `${at}/release`)
  const { reject } = await socket.next('message.rejected')
  expect(reject).toMatchObject({ message_id: sent.messageId, reason: `The inbox ${inboxId} is paused` })
  expect(mx.commands.slice(before).filter((line) => line.includes('later@'))).toEqual([])
})

test('mail that was held is rejected at its release if its recipient has bounced meanwhile', async () => {
  const { inboxId, socket, send } = await createInbox('eve', ['message.bounced', 'message.rejected'])
  const at = `/v0/inboxes/${inboxId}/messages`
  const body = { to: ['absent@a.test', 'fine@a.test'], text: 'hello', hold: true }
  const held = await world.request('POST', `${at}/send`, { body })
  expect(held.status).toBe(200)
  await send('absent@a.test')
  await socket.next('message.bounced')
  const deliveries = `${at}/${encodeURIComponent(held.body.message_id)}/deliveries`
  expect((await world.request('POST', `${deliveries}/release`)).body).toMatchObject({ changed: 2 })
  expect((await socket.next('message.rejected')).reject).toMatchObject({
    message_id: held.body.message_id,
    reason: 'Recipient blocked: absent@a.test (mail to it bounced, or was reported as spam)',
    recipients: ['absent@a.test'],
  })
})
