/**
 * Tests sending, replying and forwarding. Messages to local inboxes are really delivered; messages to external
 * addresses are held in capture mode, and their deliveries show it.
 */
import { AgentMail } from 'agentmail'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWebhookSink } from '../../support/webhook-sink.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

let pairs = 0

/** Creates two inboxes for a test. */
async function createTwo() {
  pairs += 1
  const ada = (await world.agentmail.inboxes.create({ username: `ada${pairs}`, displayName: 'Ada L.' })).inboxId
  const bob = (await world.agentmail.inboxes.create({ username: `bob${pairs}` })).inboxId
  return { ada, bob, messages: world.agentmail.inboxes.messages }
}

test('a sent message arrives with its text, HTML, headers and attachments', async () => {
  const { ada, bob, messages } = await createTwo()
  await using socket = disposable(await world.subscribe({ inboxIds: [bob] }))
  const sent = await messages.send(ada, {
    to: `Bob <${bob}>`,
    cc: ['cy@example.test'],
    bcc: ['di@example.test'],
    replyTo: 'desk@example.test',
    subject: 'grüße',
    text: 'hello',
    html: '<p>hello</p>',
    labels: ['Outreach'],
    headers: { 'X-Ticket': '7' },
    attachments: [
      { filename: 'ü.txt', contentType: 'text/plain', content: Buffer.from('grüße').toString('base64') },
      { contentId: '<logo>', contentDisposition: 'inline', contentType: 'image/png', content: 'iVBORw==' },
    ],
  })
  expect(sent).toEqual({ messageId: expect.stringMatching(/^<.+@mail\.localhost>$/), threadId: expect.any(String) })

  const copy = await messages.get(ada, sent.messageId)
  expect(copy).toMatchObject({
    threadId: sent.threadId,
    from: `"Ada L." <${ada}>`,
    to: [`Bob <${bob}>`],
    cc: ['cy@example.test'],
    bcc: ['di@example.test'],
    replyTo: ['desk@example.test'],
    subject: 'grüße',
    labels: expect.arrayContaining(['sent', 'outreach']),
  })

  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ message_id: sent.messageId, text: 'hello', labels: ['received', 'unread'] })
  expect(message).not.toHaveProperty('bcc')
  expect(message.headers['X-Ticket']).toBe('7')
  const [inline, file] = message.attachments // related parts precede other parts in a message
  expect(file).toMatchObject({ filename: 'ü.txt', size: 7, content_type: 'text/plain' })
  expect(inline).toMatchObject({
    content_id: 'logo',
    size: 4,
    content_type: 'image/png',
    content_disposition: 'inline',
  })
  const { downloadUrl } = await messages.getAttachment(bob, sent.messageId, file.attachment_id)
  expect(await (await fetch(downloadUrl)).text()).toBe('grüße')
})

test('the older path for sending works too, also with the label "sent"', async () => {
  const { ada, bob, messages } = await createTwo()
  const body = { to: bob, text: 'x', labels: ['Sent', 'own'] }
  const answer = await world.request('POST', `/v0/inboxes/${ada}/messages`, { body })
  expect(answer).toMatchObject({ status: 200, body: { message_id: expect.any(String), thread_id: expect.any(String) } })
  expect((await messages.get(ada, answer.body.message_id)).labels).toEqual(expect.arrayContaining(['own', 'sent']))
  expect(await world.request('POST', `/v0/inboxes/${ada}/messages/send`, { body })).toMatchObject({ status: 400 })
})

test('a reply goes to the sender, a reply-all to everyone except the inbox itself, in the same thread', async () => {
  const { ada, messages } = await createTwo()
  await world.smtp.send({
    from: 'Ann <ann@example.test>',
    to: [ada, 'cy@example.test'],
    cc: 'di@example.test',
    subject: 'Plans',
    text: 'x',
    messageId: '<1@x.test>',
  })
  const parent = await messages.get(ada, '<1@x.test>')
  const reply = await messages.reply(ada, '<1@x.test>', { text: 'yes' })
  expect(reply.threadId).toBe(parent.threadId)
  expect(await messages.get(ada, reply.messageId)).toMatchObject({
    subject: 'Re: Plans',
    to: ['Ann <ann@example.test>'],
    inReplyTo: '<1@x.test>',
    references: ['<1@x.test>'],
  })

  const everyone = ['Ann <ann@example.test>', 'cy@example.test', 'di@example.test']
  const toAll = await messages.replyAll(ada, '<1@x.test>', { text: 'yes' })
  const flagged = await messages.reply(ada, '<1@x.test>', { text: 'yes', replyAll: true })
  for (const { messageId } of [toAll, flagged]) {
    const { to, cc } = await messages.get(ada, messageId)
    expect([...to, ...(cc ?? [])].sort()).toEqual(everyone)
  }

  const redirected = await messages.reply(ada, '<1@x.test>', { to: 'eve@example.test', text: 'yes' })
  expect((await messages.get(ada, redirected.messageId)).to).toEqual(['eve@example.test'])
  const both = messages.reply(ada, '<1@x.test>', { to: 'eve@example.test', replyAll: true })
  await expect(both).rejects.toMatchObject({ statusCode: 400, body: { code: 'validation_error' } })
  // The SDK cannot express this, but older callers do, and a message to the wrong people cannot be recalled.
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply-all`
  expect(await world.request('POST', path, { body: { to: 'eve@example.test' } })).toMatchObject({ status: 400 })
  await expect(messages.reply(ada, '<none@x.test>', { text: 'x' })).rejects.toMatchObject({ statusCode: 404 })
})

// The brackets used to be removed from the address, and the result was another person's address.
test('a reply to an address that SMTP cannot represent is refused, and reaches nobody else', async () => {
  const { ada, messages } = await createTwo()
  const raw = `From: <"a>b"@example.test>\r\nTo: ${ada}\r\nMessage-ID: <1@x.test>\r\n\r\nx\r\n`
  await world.smtp.send({ envelope: { from: 'ann@example.test', to: ada }, raw })
  expect((await messages.get(ada, '<1@x.test>')).from).toBe('"a>b"@example.test')
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply`
  expect(await world.request('POST', path, { body: { text: 'yes' } })).toMatchObject({
    status: 422,
    body: { code: 'unprocessable', message: expect.stringContaining('only "a>b"@example.test') },
  })
  expect((await messages.list(ada)).count).toBe(1)
})

test('each of to, cc and bcc of a reply that is absent or empty keeps its default', async () => {
  const { ada, messages } = await createTwo()
  await world.smtp.send({ from: 'Ann <ann@example.test>', to: ada, text: 'x', messageId: '<1@x.test>' })
  const recipientsOf = async (body: object) => {
    const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply`
    const sent = await world.request('POST', path, { body: { text: 'yes', ...body } })
    expect(sent.body).toEqual({ message_id: expect.any(String), thread_id: expect.any(String) })
    const { to, cc, bcc } = await messages.get(ada, sent.body.message_id)
    return { to, cc, bcc }
  }
  const to = ['Ann <ann@example.test>']
  expect(await recipientsOf({ cc: 'bo@example.test' })).toEqual({ to, cc: ['bo@example.test'] })
  expect(await recipientsOf({ bcc: ['bo@example.test'] })).toEqual({ to, bcc: ['bo@example.test'] })
  expect(await recipientsOf({ to: [], cc: [], bcc: [] })).toEqual({ to })
  expect(await recipientsOf({ to: [], cc: [], reply_all: true })).toEqual({ to })
  expect(await recipientsOf({ to: ['bo@example.test'] })).toEqual({ to: ['bo@example.test'] })
})

test('recipients that cannot receive mail are left out of a reply to all and reported, also in a repeated request', async () => {
  const { ada, messages } = await createTwo()
  const long = `reply+${'7c1e'.repeat(20)}@tickets.test`
  const header = [
    `From: Doe, John <john@example.test>`,
    `To: ${ada.replace('@', '+orders@').toUpperCase()}, Sales Team, ta..ro.@example.test`,
    `Cc: Bob Example, ${long}, ann@example..test, "a>b"@example.test`,
    'Message-ID: <1@x.test>',
  ]
  await world.smtp.send({ envelope: { from: 'john@example.test', to: ada }, raw: `${header.join('\r\n')}\r\n\r\nx` })
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply-all`
  const headers = { 'idempotency-key': 'reported-once' }
  const first = await world.request('POST', path, { body: { text: 'yes' }, headers })
  expect(first.body.dropped_recipients).toEqual([
    { address: 'Sales Team', reason: 'It has a name, but no address' },
    { address: 'Bob Example', reason: 'It has a name, but no address' },
    { address: 'ann@example..test', reason: 'It is not a valid address' },
    { address: '"a>b"@example.test', reason: expect.stringContaining('has < or >') },
  ])
  expect((await world.request('POST', path, { body: { text: 'yes' }, headers })).body).toEqual(first.body)
  expect(await messages.get(ada, first.body.message_id)).toMatchObject({
    to: ['"Doe, John" <john@example.test>'],
    cc: ['"ta..ro."@example.test', long],
  })
})

test('a reply quotes the original only if it is asked to', async () => {
  const { ada, messages } = await createTwo()
  await world.smtp.send({ from: 'Ann <ann@example.test>', to: ada, text: 'one\ntwo', messageId: '<1@x.test>' })
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply`
  const reply = async (body: object) => {
    const sent = await world.request('POST', path, { body })
    return messages.get(ada, sent.body.message_id)
  }
  expect((await reply({ text: 'yes' })).text).toBe('yes')
  const quoted = await reply({ text: 'yes', html: '<p>yes</p>', quote_original: true })
  expect(quoted.text).toMatch(/^yes\n\nOn .*, Ann <ann@example\.test> wrote:\n> one\n> two$/)
  expect(quoted.html).toMatch(
    /^<p>yes<\/p>\s*<br>\s*<div class="gmail_quote">[\s\S]*<blockquote[^>]*>one<br>\ntwo<\/blockquote>/,
  )
  expect(quoted).toMatchObject({ extractedText: 'yes', extractedHtml: expect.not.stringContaining('two') })
})

test('a quoted original is text, without the scripts and styles of its HTML', async () => {
  const { ada, messages } = await createTwo()
  const html = '<style>p{}</style><p onclick="x()">one &lt;two&gt;</p><script>alert(1)</script></blockquote>'
  await world.smtp.send({ from: 'ann@example.test', to: ada, html, messageId: '<1@x.test>' })
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}/reply`
  const { body } = await world.request('POST', path, { body: { html: '<p>yes</p>', quote_original: true, cc: '' } })
  const quoted = await messages.get(ada, body.message_id)
  expect(quoted.html).toContain('">one &lt;two&gt;</blockquote></div>')
  expect(quoted.html).not.toMatch(/script|onclick|<style>/)
})

test('a forward includes the original with its attachments', async () => {
  const { ada, messages } = await createTwo()
  await world.smtp.send({
    to: ada,
    subject: 'Plans',
    text: 'the plan',
    messageId: '<1@x.test>',
    attachments: [{ filename: 'plan.txt', content: 'plan' }],
  })
  const forwarded = await messages.forward(ada, '<1@x.test>', { to: 'cy@example.test', text: 'see below' })
  const copy = await messages.get(ada, forwarded.messageId)
  expect(copy).toMatchObject({
    subject: 'Fwd: Plans',
    to: ['cy@example.test'],
    attachments: [{ filename: 'plan.txt', size: 4 }],
  })
  expect(copy.text).toContain('see below')
  expect(copy.text).toContain('the plan')
  expect(copy.threadId).toBe((await messages.get(ada, '<1@x.test>')).threadId)
})

// Its text was the header lines alone, so agents and text programs saw an empty forward.
test('a forward of a message that has only HTML has its text too', async () => {
  const { ada, messages } = await createTwo()
  const html = '<p>the <b>plan</b></p><p style="display:none">hidden</p>'
  await world.smtp.send({ to: ada, subject: 'Plans', html, messageId: '<1@x.test>' })
  const forwarded = await messages.forward(ada, '<1@x.test>', { to: 'cy@example.test', text: 'see below' })
  const copy = await messages.get(ada, forwarded.messageId)
  expect(copy.text).toMatch(/^see below\n\n-{10} Forwarded message -{9}\nFrom: [\s\S]*\n\nthe plan$/)
  expect(copy.html).toContain('the <b>plan</b>')

  // The note of a sender who writes HTML only was in the HTML alone.
  const note = '<style>p{}</style><p>see <i>below</i></p>'
  const inHtml = await messages.forward(ada, '<1@x.test>', { to: 'cy@example.test', html: note })
  const whole = await messages.get(ada, inHtml.messageId)
  expect([whole.text, whole.html?.startsWith(note)]).toEqual([copy.text, true])
})

test('a repeated Idempotency-Key returns the first result and sends nothing', async () => {
  const { ada, messages } = await createTwo()
  const mail = { to: 'cy@example.test', subject: 's', text: 'x' }
  const first = await messages.send(ada, mail, { headers: { 'Idempotency-Key': 'once-1' } })
  const again = await messages.send(ada, mail, { headers: { 'Idempotency-Key': 'once-1' } })
  expect(again).toEqual(first)
  expect((await messages.list(ada)).count).toBe(1)

  const path = `/v0/inboxes/${ada}/messages/send`
  const send = (key: string, body: object) => world.request('POST', path, { body, headers: { 'idempotency-key': key } })
  expect(await send('once-1', { ...mail, text: 'y' })).toMatchObject({
    status: 409,
    body: { name: 'ConflictError', code: 'conflict' },
  })
  for (const key of ['', 'a b', 'x'.repeat(257), 'a@b']) {
    expect(await send(key, mail), key).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  }
  const [one, two] = await Promise.all([send('once-2', mail), send('once-2', mail)])
  expect([200, 409]).toContain(one!.status)
  expect([200, 409]).toContain(two!.status)
  expect((await messages.list(ada)).count).toBe(2)
})

test('a failed send releases its Idempotency-Key at once', async () => {
  const { ada, messages } = await createTwo()
  const send = (to: string) =>
    world.request('POST', `/v0/inboxes/${ada}/messages/send`, {
      body: { to, text: 'x' },
      headers: { 'idempotency-key': 'corrected' },
    })
  expect(await send('nobody')).toMatchObject({ status: 400 })
  expect(await send('cy@example.test')).toMatchObject({ status: 200 })
  expect((await messages.list(ada)).count).toBe(1)
})

// A request with another pod's key used to get 409, which revealed that the Idempotency-Key had been used.
test('an Idempotency-Key belongs to the inbox, and to the scope of the caller', async () => {
  const { agentmail } = world
  const pods = [await agentmail.pods.create({ name: 'red' }), await agentmail.pods.create({ name: 'blue' })]
  const [ann, bea, cat] = await Promise.all(
    [pods[0]!, pods[1]!, pods[1]!].map(async ({ podId }) => (await agentmail.pods.inboxes.create(podId, {})).inboxId),
  )
  const keyOf = async (podId: string) => (await world.request('POST', `/v0/pods/${podId}/api-keys`)).body.api_key
  const [red, blue] = [await keyOf(pods[0]!.podId), await keyOf(pods[1]!.podId)]
  const send = async (inbox: string, key: string, text = 'x') => {
    const options = { key, body: { to: 'cy@example.test', text }, headers: { 'idempotency-key': 'once-per-scope' } }
    const { status, body } = await world.request('POST', `/v0/inboxes/${inbox}/messages/send`, options)
    return status === 200 ? body.message_id : status
  }

  const ofRed = await send(ann!, red)
  const ofBlue = await send(bea!, blue, 'y')
  expect([ofRed, ofBlue]).toEqual([expect.stringMatching(/^</), expect.stringMatching(/^</)])
  // This is the behavior of the contract, for one caller.
  expect(await send(cat!, blue)).toBe(409)
  expect(await send(bea!, blue, 'z')).toBe(409)
  // A request that is repeated with another key of the same inbox sends nothing, and causes no conflict.
  expect(await send(ann!, world.rootKey)).toBe(ofRed)
  expect(await send(bea!, world.rootKey, 'y')).toBe(ofBlue)
  expect(await send(cat!, world.rootKey)).toMatch(/^</)
})

test('an Idempotency-Key distinguishes attachments from fields', async () => {
  const { ada } = await createTwo()
  const send = async (body: object) => {
    const options = { body: { to: 'cy@example.test', ...body }, headers: { 'idempotency-key': 'attachments' } }
    return (await world.request('POST', `/v0/inboxes/${ada}/messages/send`, options)).status
  }
  const content = Buffer.from('a').toString('base64')
  const other = Buffer.from('b').toString('base64')
  expect(await send({ attachments: [{ content }] })).toBe(200)
  expect(await send({ attachments: [{ content, filename: undefined }] })).toBe(200)
  for (const body of [
    { attachments: [{ content: other }] },
    { attachments: [{ content, filename: 'a' }] },
    { attachments: [{ content }, { content }] },
    { attachments: [{ content }], text: '' },
    { attachments: [{ content }], subject: 'x' },
  ]) {
    expect(await send(body), JSON.stringify(body)).toBe(409)
  }
})

test('recipients are counted before an address is read', async () => {
  const { ada } = await createTwo()
  const many = Array.from({ length: 26 }, (_, index) => `no address ${index}`)
  const send = async (body: object) =>
    (await world.request('POST', `/v0/inboxes/${ada}/messages/send`, { body: { ...body, text: 'x' } })).body.message
  expect(await send({ to: many, cc: many })).toMatch(/at most 50 recipients/)
  expect(await send({ to: 'cy@example.test', reply_to: [...many, ...many] })).toMatch(
    /at most 50 addresses in reply_to/,
  )
  expect(await send({ to: many })).toMatch(/"no address 0" is not an address/)
})

// Six megabytes of accents in a hundred headers blocked the event loop in the composer for 1.7 s.
test('the subject, addresses and headers of a message have a common limit', async () => {
  const { ada, bob } = await createTwo()
  const value = 'é'.repeat(60_000)
  const headers = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`X-${index}`, value]))
  const send = (body: object) => world.request('POST', `/v0/inboxes/${ada}/messages/send`, { body })
  const sent = { to: bob, text: 'x' }
  expect((await send({ ...sent, headers: headers(5) })).body.message).toMatch(/at most 262144 characters together/)
  const rest = { subject: value, headers: headers(3), reply_to: `"${value}" <${ada}>` }
  expect((await send({ ...sent, ...rest })).status).toBe(400)
  expect((await send({ ...sent, headers: headers(4) })).status).toBe(200)
})

test('an invalid message is refused and not stored', async () => {
  const { ada, messages } = await createTwo()
  const send = async (body: object) => {
    const answer = await world.request('POST', `/v0/inboxes/${ada}/messages/send`, { body })
    return [answer.status, answer.body.code]
  }
  expect(await send({ text: 'x' })).toEqual([422, 'unprocessable'])
  for (const to of [[], '', ' ']) expect(await send({ to, text: 'x' })).toEqual([422, 'unprocessable'])
  const many = Array.from({ length: 51 }, (_, index) => `r${index}@example.test`)
  const invalid = [400, 'validation_error']
  expect(await send({ to: many, text: 'x' })).toEqual(invalid)
  for (const to of ['nobody', 'a b@example.test', 'a@b.test\r\nBcc: x@example.test', 'a@b.test\u0000']) {
    expect(await send({ to, text: 'x' }), to).toEqual(invalid)
  }
  // SMTP cannot represent these in a form that every server parses in the same way.
  for (const field of ['to', 'cc', 'bcc', 'reply_to']) {
    for (const address of ['"a>b"@example.test', 'A <"a<b"@example.test>', `"${' '.repeat(245)}"@example.test`]) {
      expect(await send({ to: ada, text: 'x', [field]: [address] }), `${field}: ${address}`).toEqual(invalid)
    }
  }
  const mail = { to: 'cy@example.test', text: 'x' }
  for (const headers of [
    { From: 'x@y.test' },
    { 'message-id': '<1@x>' },
    { 'X-A': 'b\r\nBcc: c@d.test' },
    { 'X A': 'b' },
  ]) {
    expect(await send({ ...mail, headers }), JSON.stringify(headers)).toEqual(invalid)
  }
  expect(await send({ ...mail, labels: ['sent'] })).toEqual(invalid)
  const lines = 'x\n'.repeat(5_000_001)
  for (const body of [{ text: lines }, { html: lines }]) expect(await send({ ...mail, ...body })).toEqual(invalid)
  expect(await send({ ...mail, attachments: [{ content: 'not base64!' }] })).toEqual(invalid)
  expect((await messages.list(ada)).count).toBe(0)
})

test('a line break in a subject or a display name cannot inject a header', async () => {
  const { ada, messages } = await createTwo()
  const injected = 'a\r\nX-Injected: yes\r\n\r\nbody'
  const named = await world.request('PATCH', `/v0/inboxes/${ada}`, { body: { display_name: injected } })
  expect([200, 400]).toContain(named.status)
  const { messageId } = await messages.send(ada, { to: 'cy@example.test', subject: injected, text: 'x' })
  const { downloadUrl } = await messages.getRaw(ada, messageId)
  expect(await (await fetch(downloadUrl)).text()).not.toMatch(/^X-Injected/m)
})

test('each recipient of a sent message has its own state and history', async () => {
  const { ada, bob, messages } = await createTwo()
  await using socket = disposable(
    await world.subscribe({ inboxIds: [ada], eventTypes: ['message.delivered', 'message.held'] }),
  )
  const { messageId } = await messages.send(ada, { to: [bob, 'cy@example.test'], text: 'x' })
  await Promise.all([socket.next('message.delivered'), socket.next('message.held')])

  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent(messageId)}/deliveries`
  const { status, body } = await world.request('GET', path)
  expect(status).toBe(200)
  expect(body.count).toBe(2)
  const byRecipient = Object.fromEntries(
    body.deliveries.map((delivery: { recipient: string }) => [delivery.recipient, delivery]),
  )
  expect(byRecipient[bob]).toMatchObject({
    state: 'delivered',
    attempts: 1,
    history: [{ attempt: 1, outcome: 'delivered' }],
  })
  expect(byRecipient['cy@example.test']).toMatchObject({ state: 'held', created_at: expect.stringMatching(/Z$/) })
  expect(await world.request('GET', path.replace(encodeURIComponent(messageId), 'none'))).toMatchObject({ status: 404 })
})

// The subject and recipients of a message used to reach any address that a key without message_read chose.
test('a key can reply to and forward only messages that it may read', async () => {
  const { ada, messages } = await createTwo()
  await world.smtp.send({ to: ada, messageId: '<1@x.test>', subject: 'secret', text: 'x' })
  const keyWith = async (...flags: string[]) => {
    const permissions = Object.fromEntries(flags.map((flag) => [flag, true]))
    return (await world.request('POST', '/v0/api-keys', { body: { permissions } })).body.api_key as string
  }
  const [blind, reader] = [await keyWith('message_send'), await keyWith('message_send', 'message_read')]
  const routing = { reply: { to: 'eve@example.test' }, 'reply-all': {}, forward: { to: 'eve@example.test' } }
  const answer = async (key: string, way: string, body: object, id = '<1@x.test>') => {
    const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent(id)}/${way}`
    const headers = { 'idempotency-key': `${way}-1` }
    return world.request('POST', path, { key, body: { ...body, text: 'y' }, headers })
  }
  const missing = { status: 403, body: { code: 'missing_permission', fix: expect.stringContaining('message_read') } }
  for (const [way, body] of Object.entries(routing)) {
    // It makes no difference whether such a message exists.
    for (const id of ['<1@x.test>', '<none@x.test>']) expect(await answer(blind, way, body, id)).toMatchObject(missing)
  }
  const path = `/v0/inboxes/${ada}/messages/${encodeURIComponent('<1@x.test>')}`
  await world.request('PATCH', path, { body: { add_labels: ['trash'] } })
  for (const [way, body] of Object.entries(routing)) {
    expect(await answer(reader, way, body)).toMatchObject({ status: 404, body: { code: 'not_found' } })
  }
  expect((await messages.list(ada)).count).toBe(0)
  await world.request('PATCH', path, { body: { remove_labels: ['trash'] } })
  for (const [way, body] of Object.entries(routing)) expect((await answer(reader, way, body)).status, way).toBe(200)
  const { status } = await world.request('POST', `/v0/inboxes/${ada}/messages/send`, {
    key: blind,
    body: { to: 'eve@example.test', text: 'of my own' },
  })
  expect(status).toBe(200)
})

test('attachments can be given by URL, as data: URL and as base64url without padding', async () => {
  const { ada, bob, messages } = await createTwo()
  await using files = await startWebhookSink(
    (response) => void response.setHeader('content-type', 'text/csv').end('a,b'),
  )
  await using socket = disposable(await world.subscribe({ inboxIds: [bob] }))
  const attachments = [
    { url: files.url.replace('/hook', '/list.csv') },
    { content: 'data:text/plain;base64,aGk', filename: 'hi.txt' },
    { url: `data:,${'y'.repeat(70_000)}` },
    { content: '_-8', contentType: 'application/octet-stream' },
  ]
  const send = (idempotencyKey: string, more: object[] = []) =>
    messages.send(ada, { to: bob, text: 'x', attachments: [...attachments, ...more] }, { idempotencyKey })
  const sent = await send('by-url')
  const { message } = await socket.next('message.received')
  const got = message.attachments.map(({ filename, content_type, size }: Record<string, unknown>) => [
    filename,
    content_type,
    size,
  ])
  expect(got).toEqual([
    ['list.csv', 'text/csv', 3],
    ['hi.txt', 'text/plain', 2],
    [undefined, 'application/octet-stream', 70_000],
    [undefined, 'application/octet-stream', 2],
  ])
  expect(await send('by-url')).toEqual(sent)
  expect(files.calls.length).toBe(1) // the repeated request has not fetched anything

  await expect(send('other', [{ content: 'aGk', url: files.url }])).rejects.toMatchObject({ statusCode: 400 })
  await expect(send('third', [{ filename: 'a' }])).rejects.toMatchObject({ statusCode: 400 })
  files.answer = (response) => void response.writeHead(500).end()
  const refused = send('fourth')
  await expect(refused).rejects.toBeInstanceOf(AgentMail.MessageRejectedError)
  await expect(refused).rejects.toMatchObject({ body: { message: expect.stringContaining('the response was 500') } })
  files.answer = (response) => void response.end('a,b')
  expect((await send('fourth')).messageId).not.toBe(sent.messageId) // a failed request releases its key
})

function disposable<Socket extends { close(): void }>(socket: Socket): Socket & AsyncDisposable {
  return Object.assign(socket, { [Symbol.asyncDispose]: async () => socket.close() })
}
