/** Tests members whose loss changes what a request does: they are refused, while other unknown members are only reported. */
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'
import { makeAgent } from './assmbl/agent.ts'

const mail = { to: 'cy@example.test', subject: 's', text: 'x' }

// `send_at` sent at once, `body` sent an empty mail, and `events` subscribed to everything.
test('a misnamed member of a send, a draft or a webhook is refused with the name to write', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { messageId } = await world.agentmail.inboxes.messages.send(inboxId, { ...mail, to: [inboxId] })
  const messages = `/v0/inboxes/${inboxId}/messages`
  const message = `${messages}/${encodeURIComponent(messageId)}`
  const { body: draft } = await world.request('POST', `/v0/inboxes/${inboxId}/drafts`, { body: mail })
  const { body: hook } = await world.request('POST', '/v0/webhooks', { body: { url: 'http://127.0.0.1:9/' } })
  const later = new Date(Date.now() + 86_400_000).toISOString()
  const cases: readonly [method: string, path: string, body: object, name: string, advice: string][] = [
    ['POST', `${messages}/send`, { ...mail, send_at: later }, 'send_at', 'Create a draft with send_at'],
    ['POST', `${messages}/send`, { to: mail.to, body: 'x' }, 'body', 'write text or html'],
    ['POST', `${messages}/send`, { to: mail.to, message: 'x' }, 'message', 'write text or html'],
    ['POST', `${messages}/send`, { to: mail.to, txt: 'x' }, 'txt', 'write text or html'],
    [
      'POST',
      `/api/v0/inboxes/${inboxId}/messages/send`,
      { to: mail.to, content: 'x' },
      'content',
      'write text or html',
    ],
    ['POST', `${messages}/send`, { ...mail, from: 'eve@example.test' }, 'from', 'the sender is the inbox'],
    ['POST', `${messages}/send`, { ...mail, in_reply_to: messageId }, 'in_reply_to', 'POST /v0/inboxes/.*/reply'],
    ['POST', `${messages}/send`, { ...mail, thread_id: 'x' }, 'thread_id', 'POST /v0/inboxes/.*/reply'],
    ['POST', `${message}/reply`, { content: 'x' }, 'content', 'write text or html'],
    ['POST', `${message}/forward`, { to: mail.to, message: 'x' }, 'message', 'write text or html'],
    ['POST', `${message}/reply`, { text: 'x', send_at: later }, 'send_at', 'Create a draft with send_at'],
    ['POST', `${message}/reply-all`, { body: 'x' }, 'body', 'write text or html'],
    ['POST', `${message}/forward`, { ...mail, send_at: later }, 'send_at', 'Create a draft with send_at'],
    ['POST', `/v0/inboxes/${inboxId}/drafts`, { to: mail.to, body: 'x' }, 'body', 'write text or html'],
    ['POST', `/v0/inboxes/${inboxId}/drafts`, { to: mail.to, txt: 'x' }, 'txt', 'write text or html'],
    ['PATCH', `/v0/inboxes/${inboxId}/drafts/${draft.draft_id}`, { body: 'x' }, 'body', 'write text or html'],
    ['POST', '/v0/inboxes', { email: 'bob@mail.localhost' }, 'email', 'write username and domain'],
    ['POST', '/api/v0/inboxes', { email_address: 'bob@mail.localhost' }, 'email_address', 'write username'],
    ['POST', '/v0/webhooks', { url: 'http://127.0.0.1:9/', events: ['message.sent'] }, 'events', 'write event_types'],
    ['PATCH', `/v0/webhooks/${hook.webhook_id}`, { events: ['message.sent'] }, 'events', 'write event_types'],
  ]
  const before = (await world.agentmail.inboxes.messages.list(inboxId)).count
  for (const [method, path, body, name, advice] of cases) {
    expect(await world.request(method, path, { body }), `${method} ${path} ${name}`).toMatchObject({
      status: 400,
      body: {
        code: 'validation_error',
        message: expect.stringMatching(new RegExp(`^${name} is unknown: .*${advice}`)),
        errors: [{ path: [name] }],
      },
    })
  }
  expect((await world.agentmail.inboxes.messages.list(inboxId)).count).toBe(before)
  // Unset members, and others that are unknown, as newer clients may send them.
  const fine = await world.request('POST', `${messages}/send`, { body: { ...mail, send_at: null, priority: 1 } })
  expect([fine.status, fine.headers.get('martlet-warning')]).toEqual([200, expect.stringContaining('priority')])
  const scheduled = { ...mail, send_at: later }
  expect((await world.request('POST', `/v0/inboxes/${inboxId}/drafts`, { body: scheduled })).status).toBe(200)
})

// A misspelt selection selected everything else that was named: `messageId` cancelled all mail of the inbox.
test('a selection of the queue, and a replay of events, refuse every unknown member, and change nothing', async () => {
  await using world = await startWorld({ env: { MARTLET_OUTBOUND: 'capture' } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { messageId } = await world.agentmail.inboxes.messages.send(inboxId, mail)
  const { body: hook } = await world.request('POST', '/v0/webhooks', { body: { url: 'http://127.0.0.1:9/' } })
  const deliveries = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(messageId)}/deliveries`
  for (const [path, body, name] of [
    ['/v0/queue/cancel', { inbox_id: inboxId, messageId }, 'messageId'],
    ['/v0/queue/release', { inbox_id: inboxId, recipient: 'x' }, 'recipient'],
    [`${deliveries}/cancel`, { recipient: 'x@y.test' }, 'recipient'],
    [`/v0/webhooks/${hook.webhook_id}/replay`, { start: '2026-01-01', dryRun: true }, 'dryRun'],
  ] as const) {
    expect(await world.request('POST', path, { body }), path).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(`^${name} is unknown: `), errors: [{ path: [name] }] },
    })
  }
  expect((await world.request('GET', '/v0/queue?state=held')).body.count).toBe(1)
  const { body: cancelled } = await world.request('POST', `${deliveries}/cancel`, { body: { recipients: [mail.to] } })
  expect(cancelled).toEqual({ changed: 1 })
})

// It was sent at once, to the recipients that it had.
test('a draft that is sent with changes is refused, in every API', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { draftId } = await world.agentmail.inboxes.drafts.create(inboxId, { to: [mail.to], text: 'x' })
  const { body: listed } = await world.request('GET', `/api/v1/inboxes/${inboxId}/drafts`)
  const agentPost = `/drafts/${listed.data[0].id}/send`
  for (const [path, body] of [
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { send_at: '2030-01-01T00:00:00Z' }],
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { to: 'other@example.test' }],
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { message: 'y' }],
    [`/api/v1${agentPost}`, { to: 'other@example.test' }],
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { attachments: [{ filename: 'a.txt', content: 'eA==' }] }],
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { add_attachments: [{ filename: 'a.txt', content: 'eA==' }] }],
    [`/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { remove_attachments: ['x'] }],
    [`/api/v1${agentPost}`, { text_body: 'y' }],
    [`/api/v1${agentPost}`, { text: 'y' }],
    [`/api/v1${agentPost}`, { html: '<p>y' }],
    [`/api/v1${agentPost}`, { body: 'y' }],
    [`/api/v1${agentPost}`, { to_addresses: [{ email: 'other@example.test' }] }],
    [`/api/v1${agentPost}`, { cc_addresses: ['other@example.test'] }],
    [`/api/v1${agentPost}`, { bcc_addresses: ['other@example.test'] }],
  ] as const) {
    const answer = await world.request('POST', path, { body })
    const named = `${path} ${JSON.stringify(body)}`
    expect([answer.status, JSON.stringify(answer.body)], named).toEqual([400, expect.stringContaining('sent as it is')])
  }
  const scheduled = await world.request('POST', `/api/v1${agentPost}`, { body: { send_at: '2030-01-01T00:00:00Z' } })
  const { code, message } = scheduled.body.error ?? {}
  expect([code, message]).toEqual(['validation_error', 'send_at is unknown: this API has no scheduled sends'])
  expect((await world.agentmail.inboxes.drafts.get(inboxId, draftId)).to).toEqual([mail.to])
  expect((await world.request('POST', `/api/v1${agentPost}`)).status).toBe(201)
})

// The client packages of AgentPost pass every member on, and the mail was empty.
test('AgentPost: the members of a text that AgentMail has are refused with the name to write', async () => {
  await using world = await startWorld()
  const { body: inbox } = await world.request('POST', '/api/v1/inboxes', { body: { username: 'ada' } })
  const to = [{ email: 'cy@example.test' }]
  const { body: draft } = await world.request('POST', `/api/v1/inboxes/${inbox.id}/drafts`, { body: { to } })
  const refused = async (method: string, path: string, body: object, sentence: string) =>
    expect(await world.request(method, `/api/v1${path}`, { body }), `${method} ${path}`).toMatchObject({
      status: 400,
      body: { error: { code: 'validation_error', message: sentence } },
    })
  const send = `/inboxes/${inbox.id}/messages`
  await refused('POST', send, { to, text: 'x' }, 'text is unknown: write text_body')
  await refused('POST', send, { to, html: '<p>x' }, 'html is unknown: write html_body')
  await refused('POST', send, { to, body: 'x' }, 'body is unknown: write text_body or html_body')
  await refused('POST', send, { to, message: 'x' }, 'message is unknown: write text_body or html_body')
  await refused(
    'POST',
    `/inboxes/${inbox.id}/drafts`,
    { to, content: 'x' },
    'content is unknown: write text_body or html_body',
  )
  await refused('POST', `/inboxes/${inbox.id}/drafts`, { to, text: 'x' }, 'text is unknown: write text_body')
  await refused('PATCH', `/drafts/${draft.id}`, { text: 'x' }, 'text is unknown: write text_body')
  await refused('PATCH', `/drafts/${draft.id}`, { to_addresses: to }, 'to_addresses is unknown: write to')
  await refused('POST', send, { to, text_body: 'x', bcc_addresses: to }, 'bcc_addresses is unknown: write bcc')
  await refused('POST', send, { to, text_body: 'x', from: 'eve@x.test' }, 'from is unknown: the sender is the inbox')
  const answers = 'is unknown: the path decides the thread. Answer a message with POST /messages/{message_id}/reply'
  await refused('POST', send, { to, text_body: 'x', in_reply_to: 'msg_1' }, `in_reply_to ${answers}`)
  await refused('POST', send, { to, text_body: 'x', thread_id: 'thr_1' }, `thread_id ${answers}`)
  const sent = await world.request('POST', `/api/v1${send}`, { body: { to, text_body: 'x' } })
  expect([sent.status, sent.body.text_body]).toEqual([201, 'x'])
})

// Messages have `body_text` and `body_html`, and a send has `body`: a send with the former left without a text.
test('Assmbl: the members of a text that messages and other APIs have are refused with the name to write', async () => {
  await using world = await startWorld()
  const agent = await makeAgent(world)
  for (const [member, sentence] of [
    [{ body_text: 'x' }, 'body_text is unknown: write body'],
    [{ text: 'x' }, 'text is unknown: write body'],
    [{ message: 'x' }, 'message is unknown: write body'],
    [{ content: 'x' }, 'content is unknown: write body'],
    [{ txt: 'x' }, 'txt is unknown: write body'],
    [{ html: '<p>x' }, 'html is unknown: write body_html'],
    [{ body: 'x', from: 'eve@example.test' }, 'from is unknown: the sender is the agent of the token'],
    [{ body: 'x', send_at: '2030-01-01T00:00:00Z' }, 'send_at is unknown: this API has no scheduled sends'],
  ] as const) {
    expect(await agent.request('POST', '/send', { to: agent.address, ...member }), sentence).toMatchObject({
      status: 400,
      body: { error: 'validation_error', message: sentence },
    })
  }
  expect((await agent.request('GET', '/inbox')).body.items).toEqual([])
  // Others are reported, beside the warning about what has no effect.
  const fine = await agent.request('POST', '/send', { to: agent.address, body: 'x', priority: 1, usage: {} })
  expect([fine.status, fine.headers.get('martlet-warning')]).toEqual([
    200,
    'unknown members of the body were ignored: priority; usage is not metered',
  ])
})

// The lists returned everything, and the warning is in a header field that clients do not show.
test('a list with a search, or with label, is refused with what to write', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { body: shown } = await world.request('GET', '/api/v1/inboxes')
  const [agentMail, agentPost] = [`/v0/inboxes/${inboxId}`, `/api/v1/inboxes/${shown.data[0].id}`]
  for (const [path, sentence] of [
    [`${agentMail}/messages?q=x`, 'q is unknown: search with GET /v0/inboxes/{inbox_id}/messages/search?q='],
    [`${agentMail}/messages?label=x`, 'label is unknown: write labels'],
    [`${agentMail}/messages/wait?label=x&wait_seconds=0`, 'label is unknown: write labels'],
    [`${agentMail}/threads?label=x&labels=y`, 'label is unknown: write labels'],
    ['/v0/threads?q=x', 'q is unknown: search with GET /v0/threads/search?q='],
    ['/v0/drafts?label=x', 'label is unknown: write labels'],
    [`/api${agentMail}/messages?q=x`, 'q is unknown: this API has no search. Filter with subject, from or to'],
    [`/api${agentMail}/threads?label=x`, 'label is unknown: write labels'],
    [`${agentPost}/messages?label=x&labels=y`, 'label is unknown: write labels'],
    [`${agentPost}/threads?q=x`, 'q is unknown: this API has no search'],
  ] as const) {
    const answer = await world.request('GET', path)
    const { message } = answer.body.error ?? answer.body
    expect([answer.status, message.slice(0, sentence.length)], path).toEqual([400, sentence])
  }
  for (const path of [`${agentMail}/messages/search?q=x`, `${agentMail}/messages?labels=x`]) {
    expect((await world.request('GET', path)).status, path).toBe(200)
  }
})
