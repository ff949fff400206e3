import { expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { startDns } from '../support/dns-server.ts'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld } from '../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test("messages to postmaster and abuse reach the postmaster's inbox, which exists from the start", async () => {
  const world = await sharedWorld()
  const socket = await world.subscribe({ inboxIds: ['postmaster@mail.localhost'] })

  for (const to of ['abuse@mail.localhost', 'Postmaster@mail.localhost', 'postmaster+tag@mail.localhost']) {
    await world.smtp.send({ to, subject: to, text: 'to whom it may concern' })
    expect((await socket.next('message.received')).message).toMatchObject({
      inbox_id: 'postmaster@mail.localhost',
      subject: to,
    })
  }
  const { inboxes } = await world.agentmail.inboxes.list()
  expect(inboxes.map(({ email }) => email)).toContain('postmaster@mail.localhost')
  await expect(world.agentmail.inboxes.delete('postmaster@mail.localhost')).rejects.toMatchObject({ statusCode: 403 })
})

test('a tagged address reaches its inbox, and a message to two addresses of one inbox is stored once', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'shopper' })
  const socket = await world.subscribe({ inboxIds: [ada.inboxId] })

  await world.smtp.send({ to: ['shopper+shop@mail.localhost', 'SHOPPER@mail.localhost'], text: 'hello' })

  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ inbox_id: ada.email, to: ['shopper+shop@mail.localhost', 'SHOPPER@mail.localhost'] })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)
})

// This compared addresses with their case: an inbox that was addressed in capitals replied to itself.
test('a reply-all leaves out its own inbox, however the address was written', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'replier' })
  const socket = await world.subscribe({ eventTypes: ['message.received', 'message.sent'], inboxIds: [ada.inboxId] })
  await world.smtp.send({ to: ['REPLIER@mail.localhost', 'Bob@example.test', 'BOB@example.test'], text: 'hello' })
  const { message } = await socket.next('message.received')

  await world.agentmail.inboxes.messages.replyAll(ada.inboxId, message.message_id, { text: 'yes' })

  expect((await socket.next('message.sent')).send.recipients).toEqual(['ann@example.test', 'bob@example.test'])
})

test('an unknown recipient is refused at RCPT, and the other recipients still get the message', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()

  const nobody = world.smtp.send({ to: 'nobody@mail.localhost', text: 'hello' })
  await expect(nobody).rejects.toMatchObject({ responseCode: 550, response: expect.stringContaining('550 5.1.1') })
  await world.smtp.send({ to: ['nobody@mail.localhost', ada.email], text: 'hello' })
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)
})

// A peer with a wrong MX record got the reply that the mailbox does not exist, and its user removed the address.
test('mail for a foreign domain is refused as relaying, and an unknown mailbox of our domain as unknown', async () => {
  const world = await sharedWorld()
  const client = await RawClient.open(world.smtpPort, 'peer.test')
  await client.command('MAIL FROM:<ann@example.test>')
  const refused = {
    'bob@elsewhere.test': '550 5.7.1 Relaying denied: this server accepts no mail for elsewhere.test',
    'postmaster@elsewhere.test': '550 5.7.1 Relaying denied: this server accepts no mail for elsewhere.test',
    'bob@sub.mail.localhost': '550 5.7.1 Relaying denied: this server accepts no mail for sub.mail.localhost',
    'nobody@mail.localhost': '550 5.1.1 There is no mailbox nobody@mail.localhost here',
  }
  for (const [address, reply] of Object.entries(refused)) {
    expect(await client.command(`RCPT TO:<${address}>`)).toBe(reply)
  }
})

test('a quoted local part reaches the inbox that it names, or none', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const client = await RawClient.open(world.smtpPort, 'peer.test')
  await client.command('MAIL FROM:<ann@example.test>')
  const codes: Record<string, string> = {
    '<"ada"@mail.localhost>': '250',
    '<"a\\da"@mail.localhost>': '250', // RFC 5321 §4.1.2: a quoted pair is its second character
    '<"ada+tag"@mail.localhost>': '250',
    '<"ada>x"@mail.localhost>': '550',
    '<"ada\\>"@mail.localhost>': '550',
    '<"ada\\""@mail.localhost>': '550',
    '<"ada "@mail.localhost>': '550',
    '<"ada@mail.localhost>"@mail.localhost>': '550',
    '<"ada@mail.localhost"@elsewhere.test>': '550',
    '<ada>x@mail.localhost>': '501',
    '<"ada"x@mail.localhost>': '501',
    '<ada"x"@mail.localhost>': '501',
    '<"ada@mail.localhost>': '501',
    '<ada@mail.localhost\\>': '501',
    '<ada@mail.localhost>x': '501',
  }
  const answers: Record<string, string> = {}
  for (const path of Object.keys(codes)) answers[path] = (await client.command(`RCPT TO:${path}`)).slice(0, 3)
  expect(answers).toEqual(codes)
  await client.command('DATA')
  expect(await client.command('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 /)
  expect((await world.agentmail.inboxes.messages.list(ada.inboxId)).count).toBe(1)

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: ['"ada x"@mail.localhost', '"ada\\""@mail.localhost', '"Ada"@mail.localhost'],
    text: 'x',
  })
  const path = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(sent.messageId)}/deliveries`
  const outcomes = async () =>
    (await world.request('GET', path)).body.deliveries.map((each: { recipient: string; state: string }) => [
      each.recipient,
      each.state,
    ])
  await expect.poll(outcomes).toEqual([
    ['"ada x"@mail.localhost', 'bounced'],
    ['"ada\\""@mail.localhost', 'bounced'],
    ['ada@mail.localhost', 'delivered'],
  ])
})

test('a message that uses a domain of ours without having the right to is unauthenticated, however it writes it', async () => {
  await using dns = await startDns({ 'example.test': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] } })
  const env = { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address }
  await using world = await startWorld({ env })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ eventTypes: ['message.received', 'message.received.unauthenticated'] })
  const receive = async (from: string) => {
    await world.smtp.send({ envelope: { from: 'x@example.test', to: ada.email }, raw: `From: ${from}\r\n\r\npay this` })
    const { event_type, message } = await socket.nextFrame((frame) => frame.message !== undefined)
    expect(message.verified_domain).toBe(
      event_type === 'message.received' ? message.authentication.from_domain : undefined,
    )
    return { event_type, result: message.authentication.result, ours: message.authentication.own_domain_unverified }
  }
  const ours = { event_type: 'message.received.unauthenticated', result: 'unauthenticated', ours: true }
  expect(await receive('boss@mail.localhost')).toEqual(ours)
  expect(await receive('The Boss <nobody@MAIL.Localhost>')).toEqual(ours)
  expect(await receive('x@example.test, boss@mail.localhost')).toEqual(ours)
  const damaged = [
    'boss@mail.localhost.',
    'boss@mail.localhost..',
    'Boss boss@mail.localhost>',
    '"boss@mail.localhost"',
  ]
  const hidden = [
    'boss@mail.localhost\u3164',
    '=?utf-8?q?boss=40mail.localhost?=',
    '<boss@mail.localhost:x>',
    'a@Mail\uff0elocalhost',
  ]
  for (const from of [...damaged, ...hidden]) expect(await receive(from), from).toEqual(ours)
  const theirs = { event_type: 'message.received', result: 'pass' }
  expect(await receive('boss@example.test')).toEqual(theirs)
  expect(await receive('"boss@mail.localhost" <boss@example.test>')).toEqual(theirs)
})

test('mail between inboxes does not count as a stranger who uses our domain', async () => {
  const world = await sharedWorld()
  const ada = await world.agentmail.inboxes.create()
  const bob = await world.agentmail.inboxes.create()
  const socket = await world.subscribe({ inboxIds: [bob.inboxId] })
  await world.agentmail.inboxes.messages.send(ada.inboxId, { to: bob.email, text: 'x' })
  const { message } = await socket.next('message.received')
  expect(message.authentication).toEqual({ result: 'local', reason: 'from an inbox of this server' })
  expect(message.verified_domain).toBe('mail.localhost')
})

test("only keys of the organization, of the default pod and of the postmaster's inbox can read mail to role names", async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' }) // in the default pod too
  const pods = (await world.request('GET', '/v0/pods')).body.pods as { pod_id: string }[]
  const { podId: otherPod } = await world.agentmail.pods.create({ name: 'other' })
  const keyOf = async (path: string) => (await world.request('POST', `${path}/api-keys`, { body: {} })).body.api_key
  const keys = {
    organization: world.rootKey,
    'default pod': await keyOf(`/v0/pods/${pods[0]!.pod_id}`),
    postmaster: await keyOf('/v0/inboxes/postmaster@mail.localhost'),
    'other pod': await keyOf(`/v0/pods/${otherPod}`),
    'inbox of the default pod': await keyOf(`/v0/inboxes/${ada.email}`),
  }
  const socket = await world.subscribe()
  // An agent of another pod answers a notice, and quotes it.
  await world.smtp.send({ to: 'mailer-daemon@mail.localhost', subject: 'Re: Undelivered', text: '> my secret' })
  const { message } = await socket.next('message.received')

  const paths = [
    `/v0/inboxes/postmaster@mail.localhost/messages/${encodeURIComponent(message.message_id)}`,
    `/v0/threads/${message.thread_id}`,
    '/v0/inboxes/postmaster@mail.localhost/messages',
  ]
  for (const [name, key] of Object.entries(keys)) {
    const statuses = await Promise.all(paths.map(async (path) => (await world.request('GET', path, { key })).status))
    const mayRead = ['organization', 'default pod', 'postmaster'].includes(name)
    expect({ name, statuses }).toEqual({ name, statuses: paths.map(() => (mayRead ? 200 : 404)) })
    const { body } = await world.request('GET', '/v0/threads', { key })
    expect(body.threads).toHaveLength(mayRead ? 1 : 0)
  }
})
