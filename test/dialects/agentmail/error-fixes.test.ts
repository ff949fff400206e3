/** Tests that errors of users name the setting, the member or the value that helps. */
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'
import { makeAgent } from '../assmbl/agent.ts'

test('errors that a setting, a member or another spelling solves say so', async () => {
  const env = { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false', MARTLET_BODY_BYTES_MAX: '65536' }
  await using world = await startWorld({ env })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const answerOf = async (method: string, path: string, body?: object) =>
    (await world.request(method, path, body && { body })).body as { message: string; fix: string }

  const url = 'http://127.0.0.1:9/'
  expect((await answerOf('POST', '/v0/webhooks', { url })).fix).toContain('MARTLET_ALLOW_PRIVATE_NETWORKS=true')
  const send = `/v0/inboxes/${inboxId}/messages/send`
  const fetched = await answerOf('POST', send, { to: 'cy@example.test', attachments: [{ url }] })
  expect(fetched.message).toContain('(MARTLET_ALLOW_PRIVATE_NETWORKS)')

  const hook = { url: 'https://hooks.example.com/', event_types: ['message.recieved'] }
  expect(await answerOf('POST', '/v0/webhooks', hook)).toMatchObject({
    message: 'Unknown event type "message.recieved"',
    fix: 'Write message.received.',
  })
  const listed = (await answerOf('GET', '/v0/events?event_types=nothing')).fix
  expect(listed).toMatch(/^The types are .*message\.received,/)
  expect((await answerOf('GET', '/v0/events?after=evt_1')).fix).toContain('Send the `cursor` of an event')

  const broken = { to: 'cy@example.test', attachments: [{ content: '*' }] }
  expect((await answerOf('POST', send, broken)).message).toBe('The content of an attachment is not valid base64')
  const large = await answerOf('POST', '/v0/inboxes', { username: 'bob', display_name: 'x'.repeat(70_000) })
  expect(large.fix).toContain('MARTLET_BODY_BYTES_MAX')
})

// The error said what was missing, and nothing about the member that had it.
test('an error of a request names the members and parameters that were ignored, in every API', async () => {
  await using world = await startWorld()
  const agent = await makeAgent(world)
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { messageId } = await world.agentmail.inboxes.messages.send(inboxId, { to: [inboxId], text: 'x' })
  const { body: hosted } = await world.request('POST', '/api/v1/inboxes', { body: { username: 'bob' } })
  const inbox = `/v0/inboxes/${inboxId}`
  const to = 'cy@example.test'
  const many = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name.repeat(100), 1]))
  const shown = ['a', 'b', 'c'].map((name) => name.repeat(64)).join(', ')
  const ignored = (names: string) =>
    expect.stringMatching(new RegExp(`Unknown members of the body were ignored: ${names}\\.$`))
  for (const [method, path, body, message, names] of [
    ['POST', `${inbox}/messages/send`, { recipient: to, text: 'x' }, 'The message has no recipients', 'recipient'],
    [
      'PATCH',
      `${inbox}/messages/${encodeURIComponent(messageId)}`,
      { labels: ['x'] },
      'Name at least one label',
      'labels',
    ],
    ['PATCH', inbox, { name: 'X' }, '', 'name'],
    ['POST', '/v0/domains', { name: 'acme.com' }, 'domain is required', 'name'],
    ['POST', '/v0/domains', many, 'domain is required', `${shown}, \\.\\.\\.`],
    ['POST', '/v0/domains', { 'a\ud800': 1 }, 'domain is required', 'a\ufffd'],
    ['POST', `/api${inbox}/messages/send`, { recipient: to }, 'The message has no recipients', 'recipient'],
    ['POST', `/api/v1/inboxes/${hosted.id}/messages`, { recipient: to }, 'The message has no recipients', 'recipient'],
  ] as const) {
    const answer = await world.request(method, path, { body })
    const error = path.startsWith('/api/v1') ? answer.body.error : answer.body
    expect(error, path).toMatchObject({ message: expect.stringContaining(message), fix: ignored(names) })
    expect(answer.status, path).toBeGreaterThanOrEqual(400)
  }
  const refused = await agent.request('POST', '/send', { recipient: to, body: 'x' })
  expect(refused.body).toMatchObject({ message: 'to is required', fix: ignored('recipient') })
  expect((await world.request('GET', `${inbox}/messages/search?query=x`)).body).toMatchObject({
    message: 'q is required',
    fix: 'Unknown query parameters were ignored: query.',
  })
  // An error that names the unknown member itself, one of another kind, and one of a request without unknown members.
  const strict = { 'martlet-strict': 'true' }
  const body = { to, recipient: to, priority: 1 }
  for (const answer of [
    await world.request('POST', `${inbox}/messages/send`, { body, headers: strict }),
    await world.request('POST', `${inbox}/messages/send`, { body: { to, body: 'x', priority: 1 } }),
    await world.request('POST', '/v0/inboxes', { body: { username: 'ada', priority: 1 } }),
    await world.request('POST', '/v0/domains', { body: {} }),
  ]) {
    expect([answer.status >= 400, JSON.stringify(answer.body)]).toEqual([true, expect.not.stringContaining('ignored')])
  }
})
