/** Tests what submission sends, changes and refuses: the same rules as those of the API, by their reply codes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifySignature } from '../support/dkim-verify.ts'
import {
  openLoggedIn,
  type Sender,
  type SubmissionWorld,
  sendRaw,
  startSubmission,
  submit,
} from './submission-world.ts'

let server: SubmissionWorld
let ada: Sender
let bob: Sender
let number = 0

beforeAll(async () => {
  server = await startSubmission(
    { sending: { recipientsMax: 3, rawHeaderBytesMax: 20_000 } },
    { MARTLET_MESSAGE_BYTES_MAX: '1000000', MARTLET_THREAD_REPLIES: '2' },
  )
  ada = await newInbox()
  bob = await newInbox()
})
afterAll(() => server?.[Symbol.asyncDispose]())

async function newInbox(): Promise<Sender> {
  const { email } = await server.world.agentmail.inboxes.create({ username: `user${++number}` })
  return { user: email, pass: server.world.rootKey }
}

/** Sends bytes from ada, and returns the reply. */
async function send(raw: string, { from = ada.user, to = [bob.user], sender = ada } = {}): Promise<string> {
  const client = await openLoggedIn(server.world, sender)
  try {
    return await sendRaw(client, { from, to, raw })
  } finally {
    client.socket.destroy()
  }
}

const sentBy = async ({ user }: Sender) => (await server.world.agentmail.inboxes.messages.list(user)).messages

const base = () => `From: Ada <${ada.user}>\nTo: ${bob.user}\nSubject: hello\nDate: Mon, 30 Nov 2026 10:00:00 +0000\n`

test('the recipient gets the bytes of the program, signed, without Bcc, Return-Path and the idempotency key', async () => {
  const { world, mx } = server
  const socket = await world.subscribe({ inboxIds: [ada.user] })
  const body = 'Dear  Bob,  \n\n..dots and \ttabs \t\n\u00e4\n\n\n'
  const raw = `X-First: 1\n${base().replace(bob.user, 'out@a.test')}Message-ID: <own-id@client.test>\nBcc: hidden@a.test\n\tmore@a.test\nReturn-Path: <x@y.test>\nMIME-Version: 1.0\nX-AgentMail-Idempotency-Key: key-of-bytes\nX-Last:  two  spaces\n\n${body}`
  const before = mx.messages.length
  const reply = await send(raw.replaceAll('..dots', '...dots'), { to: ['out@a.test', 'hidden@a.test'] })
  expect(reply).toBe('250 2.0.0 Ok: queued as <own-id@client.test>')

  const mail = await mx.mail(before + 1)
  const received = mail.data.replaceAll('\r\n', '\n')
  const [signature = '', ...rest] = received.split(/\n(?=X-First)/)
  expect(signature).toMatch(/^DKIM-Signature: [^\n]*\n(?:[ \t][^\n]*\n?)*$/)
  const expected = raw
    .replace('Bcc: hidden@a.test\n\tmore@a.test\n', '')
    .replace('Return-Path: <x@y.test>\n', '')
    .replace('X-AgentMail-Idempotency-Key: key-of-bytes\n', '')
  expect(rest.join('\n')).toBe(Buffer.from(`${expected}\n`, 'latin1').toString('latin1'))
  expect(mail).toMatchObject({ from: `<${ada.user}> BODY=8BITMIME`, to: ['out@a.test', 'hidden@a.test'] })
  expect(await verifySignature(mail.data, world)).toBe('pass')

  const sent = await socket.next('message.sent')
  expect(sent.send).toMatchObject({ message_id: '<own-id@client.test>', recipients: ['out@a.test', 'hidden@a.test'] })
  const shown = await world.agentmail.inboxes.messages.get(ada.user, '<own-id@client.test>')
  expect(shown).toMatchObject({ to: ['out@a.test'], bcc: ['hidden@a.test'], labels: expect.arrayContaining(['sent']) })
})

test('a missing Date and Message-ID are added', async () => {
  const before = server.mx.messages.length
  const reply = await send(`From: ${ada.user}\nSubject: bare\n\nx`, { to: ['out@a.test'] })
  const { data } = await server.mx.mail(before + 1)
  const id = /\r\nMessage-ID: (<[^>]+@mail\.localhost>)\r\n/.exec(data)?.[1]
  expect(reply).toBe(`250 2.0.0 Ok: queued as ${id}`)
  expect(data).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n/)
  expect(await verifySignature(data, server.world)).toBe('pass')
})

test.each(['', 'junk', '<>'])('a Message-ID that is "%s" is replaced, and an empty Date too', async (id) => {
  const before = server.mx.messages.length
  const reply = await send(`Message-ID: ${id}\nDate:\nFrom: ${ada.user}\nSubject: bare\n\nx`, { to: ['out@a.test'] })
  const { data } = await server.mx.mail(before + 1)
  const ids = [...data.matchAll(/\r\nMessage-ID:([^\r]*)\r\n/gi)].map(([, found]) => found)
  expect(reply).toBe(`250 2.0.0 Ok: queued as${ids[0]}`)
  expect(ids).toEqual([expect.stringMatching(/^ <[^>]+@mail\.localhost>$/)])
  expect([...data.matchAll(/\r\nDate:/g)]).toHaveLength(1)
})

test('what a program says about authentication is removed', async () => {
  const before = server.mx.messages.length
  const claims =
    'Authentication-Results: mail.localhost; dmarc=pass\nReceived-SPF: pass\nauthentication-results : x;\n spf=pass\n'
  await send(`${claims}${base()}\nx`, { to: ['out@a.test'] })
  expect((await server.mx.mail(before + 1)).data).not.toMatch(/=pass|Received-SPF/i)
})

test('a message of many chunks is signed and delivered without change', async () => {
  const before = server.mx.messages.length
  const lines = Array.from({ length: 9_000 }, (_, index) => `line ${index}  of\tmany ${'x'.repeat(index % 60)} `)
  expect(await send(`${base()}\n${lines.join('\n')}\n\n\n`, { to: ['out@a.test'] })).toMatch(/^250 /)
  const { data } = await server.mx.mail(before + 1)
  expect(data.replaceAll('\r\n', '\n')).toContain(`\n\n${lines.join('\n')}\n\n\n`)
  expect(await verifySignature(data, server.world)).toBe('pass')
})

test.each([
  ['two addresses', (own: string) => `From: ${own}, eve@a.test\n`],
  ['two fields', (own: string) => `From: ${own}\nFrom: eve@a.test\n`],
  ['a group', (own: string) => `From: us: ${own};\n`],
  ['two brackets', (own: string) => `From: <${own}> <eve@a.test>\n`],
  ['an open quote', (own: string) => `From: "Ada <${own}>\n`],
  ['no field', () => 'Subject: x\n'],
  ['no address', () => 'From: Ada\n'],
])('a From with %s gets 554 5.6.0', async (_what, from) => {
  expect(await send(`${from(ada.user)}\nx`)).toBe(
    '554 5.6.0 The message cannot be sent: From must occur once, with exactly one address',
  )
})

test.each([
  ['From', (_own: string, other: string) => `From: ${other}\n`],
  ['From with its own name', (own: string, other: string) => `From: "${own}" <${other}>\n`],
  ['Sender', (own: string, other: string) => `From: ${own}\nSender: ${other}\n`],
  ['Resent-From', (own: string, other: string) => `From: ${own}\nResent-From: ${other}\n`],
])('a foreign %s gets 550 5.7.1', async (_field, header) => {
  const reply = await send(`${header(ada.user, bob.user)}\nx`)
  expect(reply).toMatch(
    /^550 5\.7\.1 Sender not authorized: (From|Sender) is user\d+@mail\.localhost, and this login is for/,
  )
})

test('a foreign envelope sender, and none, get 553 5.7.1', async () => {
  expect(await send(base(), { from: bob.user })).toMatch(/^553 5\.7\.1 Sender not authorized: /)
  expect(await send(base(), { from: '' })).toMatch(/^553 5\.7\.1 Sender not authorized: <> /)
})

test('an address with a plus tag is the own one, in the envelope and in the message', async () => {
  const tagged = ada.user.replace('@', '+news@')
  const before = server.mx.messages.length
  expect(await send(`From: ${tagged}\nSender: ${ada.user}\n\nx`, { from: tagged, to: ['out@a.test'] })).toMatch(/^250 /)
  expect((await server.mx.mail(before + 1)).from).toBe(`<${tagged}>`)
})

test('an alias in the domain of the inbox is its own address, until it is removed; aliases of others are not', async () => {
  const { world, mx } = server
  const sender = await newInbox()
  const addAlias = (address: string) =>
    world.request('POST', `/v0/inboxes/${sender.user}/aliases`, { body: { address } })
  const alias = 'sales@mail.localhost'
  const mail = (from: string) => `From: Sales <${from}>\nSender: ${sender.user}\nTo: out@a.test\n\nx`
  const options = { sender, from: alias, to: ['out@a.test'] }
  expect(await send(mail(alias), options)).toMatch(/^553 /)
  expect((await addAlias(alias)).status).toBe(200)
  const before = mx.messages.length
  expect(await send(mail('Sales+news@mail.localhost'), options)).toMatch(/^250 /)
  const { data, from } = await mx.mail(before + 1)
  expect(from).toBe(`<${alias}>`)
  expect(await verifySignature(data, world)).toBe('pass')
  expect(await send(mail(alias), { from: ada.user })).toMatch(/^550 5\.7\.1 Sender not authorized: From is sales@/)

  const client = await openLoggedIn(world, sender)
  for (const command of [`MAIL FROM:<${alias}>`, 'RCPT TO:<out@a.test>', 'DATA']) await client.command(command)
  await world.request('DELETE', `/v0/inboxes/${sender.user}/aliases/${alias}`)
  client.send(`${mail(sender.user).replaceAll('\n', '\r\n')}\r\n.\r\n`)
  expect(await client.reply()).toMatch(/^553 5\.7\.1 Sender not authorized: sales@/)
})

test.each([
  [
    'a line that is no field',
    'From: ada\nnonsense\nTo: x\n\nx',
    'a line of its header is neither a field nor the continuation of one',
  ],
  [
    'two idempotency keys',
    'X-AgentMail-Idempotency-Key: a\nX-AgentMail-Idempotency-Key: b\n',
    'X-AgentMail-Idempotency-Key occurs more than once',
  ],
  ['two Message-IDs', 'Message-ID: <a@b.test>\nMessage-ID: <c@b.test>\n', 'Message-ID must occur at most once'],
  ['a CR in its header', 'X-A: 1\rBcc: hidden@a.test\n', 'it has a CR without LF, or a NUL'],
  ['a CR in its body', '\na\r.\rMAIL FROM:<admin@mail.localhost>\n', 'it has a CR without LF, or a NUL'],
  ['a CR before the end of its body', '\na\r', 'it has a CR without LF, or a NUL'],
  ['a NUL', 'Subject: a\0b\n', 'it has a CR without LF, or a NUL'],
  ['a header over the limit', `X-Long: ${'x'.repeat(20_000)}\n`, 'its header is larger than 20000 bytes'],
])('%s gets 554 5.6.0', async (_what, more, detail) => {
  const raw = more.startsWith('From') ? more : `From: ${ada.user}\n${more}\nx`
  expect(await send(raw)).toBe(`554 5.6.0 The message cannot be sent: ${detail}`)
})

test('a message over the limit gets 552, a recipient over it 452, and the session continues', async () => {
  const client = await openLoggedIn(server.world, ada)
  expect(await client.command(`MAIL FROM:<${ada.user}> SIZE=1000001`)).toMatch(/^552 5\.3\.4 /)
  await client.command(`MAIL FROM:<${ada.user}>`)
  for (const name of ['a', 'b', 'c', 'c']) expect(await client.command(`RCPT TO:<${name}@a.test>`)).toMatch(/^250 /)
  expect(await client.command('RCPT TO:<d@a.test>')).toMatch(/^452 4\.5\.3 /)
  await client.command('RSET')
  expect(await sendRaw(client, { from: ada.user, to: [bob.user], raw: `${base()}\n${'x'.repeat(1_000_000)}` })).toMatch(
    /^552 5\.3\.4 /,
  )
  expect(await sendRaw(client, { from: ada.user, to: [bob.user], raw: base() })).toMatch(/^250 /)
})

test('a blocked recipient is refused at RCPT, and one that was blocked since then at DATA', async () => {
  const { world } = server
  const sender = await newInbox()
  const block = (entry: string) =>
    world.request('POST', `/v0/inboxes/${sender.user}/lists/send/block`, { body: { entry } })
  await block('eve@a.test')
  const client = await openLoggedIn(world, sender)
  await client.command(`MAIL FROM:<${sender.user}>`)
  expect(await client.command('RCPT TO:<eve@a.test>')).toMatch(
    /^550 5\.7\.1 Message rejected: Recipient\(s\) blocked: eve@a\.test/,
  )
  expect(await client.command('RCPT TO:<mallory@a.test>')).toMatch(/^250 /)
  await block('mallory@a.test')
  await client.command('DATA')
  client.send(`From: ${sender.user}\r\n\r\nx\r\n.\r\n`)
  expect(await client.reply()).toMatch(/^550 5\.7\.1 Message rejected: /)
  expect(await sentBy(sender)).toEqual([])
})

test('a paused inbox gets 450', async () => {
  const sender = await newInbox()
  await server.world.request('PATCH', `/v0/inboxes/${sender.user}`, { body: { status: 'paused' } })
  expect(await send(base(), { sender, from: sender.user })).toMatch(/^450 4\.2\.1 /)
})

test('a reply joins the thread of the message that it answers', async () => {
  const { world } = server
  const [alice, carl] = [await newInbox(), await newInbox()]
  const socket = await world.subscribe({ inboxIds: [carl.user] })
  await submit(world, alice, { to: carl.user, subject: 'question' })
  const { message } = await socket.next('message.received')
  await submit(world, carl, { to: alice.user, subject: 'Re: question', inReplyTo: message.message_id })
  const { threads } = await world.agentmail.inboxes.threads.list(carl.user)
  expect(threads).toMatchObject([{ messageCount: 2, threadId: message.thread_id }])
})

test.each([
  'In-Reply-To: <question@a.test>',
  'In-Reply-To: <other@a.test> <question@a.test>',
  'References: <question@a.test>',
])('the budget of replies in a thread counts mail with "%s"', async (field) => {
  const { world } = server
  const sender = await newInbox()
  const socket = await world.subscribe({ inboxIds: [sender.user] })
  const question = 'From: eve@a.test\r\nMessage-ID: <question@a.test>\r\nSubject: q\r\n\r\nx'
  await world.smtp.send({ envelope: { from: 'eve@a.test', to: sender.user }, raw: question } as never)
  await socket.next('message.received')
  for (const count of [1, 2, 3]) {
    const raw = `From: ${sender.user}\nSubject: Re: q\nMessage-ID: <${count}@client.test>\n${field}\n\nx${count}`
    expect(await send(raw, { sender, from: sender.user, to: ['eve@a.test'] })).toMatch(/^250 /)
  }
  const answers = (await sentBy(sender)).filter(({ subject }) => subject === 'Re: q')
  expect(answers.map(({ labels }) => labels.includes('sent'))).toEqual([false, true, true])
})

test('a message that is sent again, to others too, is stored once', async () => {
  const sender = await newInbox()
  const raw = `From: ${sender.user}\nTo: one@a.test, two@a.test\nMessage-ID: <twice@client.test>\nDate: Mon, 30 Nov 2026 10:00:00 +0000\n\nx`
  const before = server.mx.messages.length
  for (const to of [['one@a.test'], ['two@a.test']])
    expect(await send(raw, { sender, from: sender.user, to })).toBe('250 2.0.0 Ok: queued as <twice@client.test>')
  const { mx, world } = server
  await mx.mail(before + 2)
  expect(mx.messages.slice(before).map(({ to }) => to)).toEqual([['one@a.test'], ['two@a.test']])
  expect(await sentBy(sender)).toMatchObject([
    { messageId: '<twice@client.test>', labels: expect.arrayContaining(['sent']) },
  ])
  const path = `/v0/inboxes/${sender.user}/messages/${encodeURIComponent('<twice@client.test>')}/deliveries`
  expect((await world.request('GET', path)).body.deliveries).toHaveLength(2)
})

test('a received message with the id and content of a sent one is another message', async () => {
  const { world } = server
  const sender = await newInbox()
  const raw = `From: ${sender.user}\nTo: ${sender.user}\nMessage-ID: <forged@client.test>\nDate: Mon, 30 Nov 2026 10:00:00 +0000\n\nx`
  const socket = await world.subscribe({ inboxIds: [sender.user] })
  await world.smtp.send({ envelope: { from: 'eve@a.test', to: sender.user }, raw } as never)
  await socket.next('message.received')
  expect(await send(raw, { sender, from: sender.user, to: ['out@a.test'] })).toMatch(
    /^250 2\.0\.0 Ok: queued as <[^>]+@mail\.localhost>$/,
  )
})

test('a repeated message with the same idempotency key gets 250, and is sent once', async () => {
  const sender = await newInbox()
  const from = sender.user
  const mail = (id: number, subject = 'once') =>
    `From: ${from}\nTo: out@a.test\nSubject: ${subject}\nMessage-ID: <${id}@client.test>\nX-AgentMail-Idempotency-Key: k1\n\nx${id}`
  const to = ['out@a.test']
  expect(await send(mail(1), { sender, from, to })).toBe('250 2.0.0 Ok: queued as <1@client.test>')
  expect(await send(mail(2), { sender, from, to })).toBe('250 2.0.0 Ok: queued as <1@client.test>')
  expect(await send(mail(3, 'other'), { sender, from, to })).toBe(
    '554 5.6.0 This Idempotency-Key was used for another request',
  )
  expect(await send(mail(4).replace('k1', 'not valid'), { sender, from, to })).toMatch(
    /^554 5\.6\.0 Idempotency-Key must be /,
  )
  const repeated = await server.world.request('POST', `/v0/inboxes/${from}/messages/send`, {
    body: { to: 'out@a.test', text: 'x' },
    headers: { 'idempotency-key': 'k1' },
  })
  expect(repeated.status).toBe(409)
  expect(await sentBy(sender)).toHaveLength(1)
})

test('an automatic answer to automatic mail is refused, as in the API; other answers are sent', async () => {
  const { world } = server
  const agent = await newInbox()
  const socket = await world.subscribe({ inboxIds: [agent.user], eventTypes: ['message.received'] })
  const receive = async (messageId: string, field: string) => {
    const raw = `From: ann@a.test\r\nTo: ${agent.user}\r\nMessage-ID: ${messageId}\r\n${field}\r\n\r\nhello`
    await world.smtp.send({ envelope: { from: 'ann@a.test', to: agent.user }, raw })
    await socket.next('message.received')
  }
  await receive('<by-program@a.test>', 'Auto-Submitted: auto-generated')
  await receive('<by-list@a.test>', 'List-Id: <list.a.test>')
  await receive('<by-person@a.test>', 'X-Mailer: x')
  const answer = (inReplyTo: string, autoSubmitted = 'auto-replied') =>
    submit(world, agent, {
      ...{ to: 'ann@a.test', inReplyTo, references: inReplyTo, headers: { 'Auto-Submitted': autoSubmitted } },
    })
  const loop = '550 5.7.1 The answered message was written by a program: an automatic answer to it would make a loop'
  await expect(answer('<by-program@a.test>')).rejects.toThrow(loop)
  await expect(answer('<by-list@a.test>')).rejects.toThrow(loop)
  await answer('<by-program@a.test>', 'no')
  await answer('<by-person@a.test>')
  await answer('<of-nobody@a.test>')
  expect((await sentBy(agent)).filter(({ labels }) => labels.includes('sent'))).toHaveLength(3)
})

test('a draft that a mail program sends is complete, and its field is not sent on', async () => {
  const { agentmail } = server.world
  const draft = await agentmail.inboxes.drafts.create(ada.user, { to: [bob.user], subject: 'hello', text: 'draft' })
  const other = await agentmail.inboxes.drafts.create(ada.user, { to: [bob.user], subject: 'other', text: 'other' })
  const reply = await send(`X-Martlet-Draft: ${draft.draftId}\n${base()}Message-ID: <sent-draft@a.test>\n\nedited\n`)
  expect(reply).toMatch(/^250/)
  const { drafts } = await agentmail.inboxes.drafts.list(ada.user)
  expect(drafts.map(({ draftId }) => draftId)).toEqual([other.draftId])
  const [sent] = await sentBy(ada)
  const { headers } = await agentmail.inboxes.messages.get(ada.user, sent!.messageId)
  expect(Object.keys(headers ?? {}).map((name) => name.toLowerCase())).not.toContain('x-martlet-draft')
})

test('a received message that is answered gets the label replied', async () => {
  const { agentmail } = server.world
  await send(`${base()}Message-ID: <question@a.test>\n\nquestion\n`)
  const received = async () =>
    (await agentmail.inboxes.messages.list(bob.user)).messages.find(({ messageId }) => messageId.includes('question@'))
  await expect.poll(received).toBeDefined()
  const raw = `From: ${bob.user}\nTo: ${ada.user}\nSubject: Re: hello\nIn-Reply-To: <question@a.test>\n\nanswer\n`
  expect(await send(raw, { from: bob.user, to: [ada.user], sender: bob })).toMatch(/^250/)
  expect((await received())!.labels).toContain('replied')
})
