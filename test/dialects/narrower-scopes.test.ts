/**
 * Tests bodies that name a narrower scope than that of their path: ignored, the member would make a key of the organization of a key
 * that was meant for one inbox, and a webhook of all mail of one that was meant for a few.
 */
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

const url = 'http://127.0.0.1:9/'

test('AgentMail: a create that names a pod or an inbox beside its path is refused with the path to call', async () => {
  await using world = await startWorld()
  const { body: pod } = await world.request('POST', '/v0/pods', { body: { name: 'blue' } })
  const { body: inbox } = await world.request('POST', `/v0/pods/${pod.pod_id}/inboxes`, { body: { username: 'ada' } })
  const [ofPod, ofInbox] = [{ pod_id: pod.pod_id }, { inbox_id: inbox.inbox_id }]
  const entry = { entry: 'evil.example' }
  const below = `/v0/pods/${pod.pod_id}`
  const cases: readonly [path: string, body: object, advice: string][] = [
    ['/v0/api-keys', ofInbox, 'POST /v0/inboxes/{inbox_id}/api-keys'],
    ['/v0/api-keys', ofPod, 'POST /v0/pods/{pod_id}/api-keys'],
    [`${below}/api-keys`, ofInbox, 'POST /v0/inboxes/{inbox_id}/api-keys'],
    ['/v0/webhooks', { url, ...ofInbox }, 'write inbox_ids'],
    ['/v0/webhooks', { url, ...ofPod }, 'write pod_ids'],
    [`${below}/webhooks`, { url, ...ofInbox }, 'write inbox_ids'],
    ['/v0/inboxes', { username: 'bob', ...ofPod }, 'POST /v0/pods/{pod_id}/inboxes'],
    ['/v0/domains', { domain: 'agents.example', ...ofPod }, 'POST /v0/pods/{pod_id}/domains'],
    ['/v0/lists/send/block', { ...entry, ...ofInbox }, 'POST /v0/inboxes/{inbox_id}/lists/{direction}/{type}'],
    ['/v0/lists/send/block', { ...entry, ...ofPod }, 'POST /v0/pods/{pod_id}/lists/{direction}/{type}'],
    [`${below}/lists/send/block`, { ...entry, ...ofInbox }, 'POST /v0/inboxes/{inbox_id}/lists/{direction}/{type}'],
  ]
  const lists = ['/v0/api-keys', '/v0/webhooks', '/v0/inboxes', '/v0/domains', '/v0/lists/send/block']
  const counts = () => Promise.all(lists.map(async (path) => (await world.request('GET', path)).body.count))
  const before = await counts()
  for (const [path, body, advice] of cases) {
    const name = Object.keys(body).at(-1)!
    const answer = await world.request('POST', path, { body })
    expect(answer, `${path} ${name}`).toMatchObject({
      status: 400,
      body: { code: 'validation_error', errors: [{ path: [name] }], message: expect.stringMatching(`^${name} is unk`) },
    })
    expect(answer.body.message).toContain(advice)
  }
  expect(await counts()).toEqual(before)

  // Where the path is as narrow already, and where it is not set.
  const strictest = `/v0/inboxes/${inbox.inbox_id}/api-keys`
  expect((await world.request('POST', strictest, { body: ofInbox })).body).toMatchObject(ofInbox)
  expect((await world.request('POST', '/v0/api-keys', { body: { inbox_id: null } })).status).toBe(200)
  // A client may send back what it got: such a webhook keeps its scope.
  const made = await world.request('POST', `${below}/webhooks`, { body: { url } })
  const again = { body: { ...made.body, enabled: false } }
  expect((await world.request('PATCH', `/v0/webhooks/${made.body.webhook_id}`, again)).body).toMatchObject(ofPod)
})

test('inboxai: the same for its paths; a webhook accepts the names of the other services', async () => {
  await using world = await startWorld()
  const { body: inbox } = await world.request('POST', '/api/v0/inboxes', { body: { username: 'ada' } })
  const pod_id = inbox.pod_id
  for (const [path, body] of [
    ['/api-keys', { inbox_id: inbox.inbox_id }],
    ['/inboxes', { username: 'bob', pod_id }],
    ['/domains', { domain: 'agents.example', pod_id }],
    ['/webhooks', { url, pod_id }],
  ] as const) {
    const answer = await world.request('POST', `/api/v0${path}`, { body })
    expect(answer, path).toMatchObject({ status: 400, body: { message: expect.stringContaining(' is unknown: ') } })
  }
  const hook = { url, events: ['message.sent'], inbox_id: inbox.email_address }
  const { body: made } = await world.request('POST', '/api/v0/webhooks', { body: hook })
  expect(made).toMatchObject({ event_types: ['message.sent'], inbox_ids: [inbox.inbox_id] })
  const change = { body: { events: ['message.bounced'] } }
  const { body: changed } = await world.request('PATCH', `/api/v0/webhooks/${made.webhook_id}`, change)
  expect(changed.event_types).toEqual(['message.bounced'])
  // An empty list names nothing: with it, the webhook got the events of all inboxes and types.
  const emptyToo = { ...hook, event_types: [], inbox_ids: [] }
  expect((await world.request('POST', '/api/v0/webhooks', { body: emptyToo })).body).toMatchObject({
    ...{ event_types: ['message.sent'], inbox_ids: [inbox.inbox_id] },
  })
  const withEmpty = { body: { events: ['message.rejected'], event_types: [] } }
  const { body: last } = await world.request('PATCH', `/api/v0/webhooks/${made.webhook_id}`, withEmpty)
  expect(last.event_types).toEqual(['message.rejected'])
})

test('AgentPost: a webhook of several environments is refused; a key expires when asked to, and has no permissions', async () => {
  await using world = await startWorld()
  const post = (path: string, body: object) => world.request('POST', `/api/v1${path}`, { body })
  const { body: inbox } = await post('/inboxes', { username: 'ada' })
  const refused = (sentence: string) => ({ status: 400, body: { error: { message: sentence } } })
  expect(await post('/webhooks', { url, environment_ids: [inbox.environment_id] })).toMatchObject(
    refused('environment_ids is unknown: write environment_id'),
  )
  // An empty list names nothing: with it, the webhook got the events of all inboxes.
  const hook = { url, event_types: [], events: ['message.sent'], inbox_ids: [], inbox_id: inbox.id }
  expect(await post('/webhooks', hook)).toMatchObject({
    ...{ status: 201, body: { event_types: ['message.sent'], inbox_emails: [inbox.email] } },
  })
  expect(await post('/api-keys', { permissions: { message_read: true } })).toMatchObject({
    ...refused(expect.stringContaining('permissions is unknown: ')),
  })
  // Such a key never expired.
  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  const { body: key } = await post('/api-keys', { name: 'for an hour', expires_at })
  expect(key).toMatchObject({ name: 'for an hour', expires_at })
  expect((await world.request('GET', `/api/v1/api-keys/${key.id}`)).body.expires_at).toBe(expires_at)
  for (const wrong of ['tomorrow', '2020-01-01T00:00:00Z']) {
    expect(await post('/api-keys', { expires_at: wrong }), wrong).toMatchObject({
      ...{ status: 400, body: { error: { field: 'expires_at' } } },
    })
  }
})
