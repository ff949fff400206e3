/** Tests query parameters that a route does not know, in the dialects whose lists have filters of their own. */
import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'
import { makeAgent } from './assmbl/agent.ts'

const strict = { 'martlet-strict': 'true' }

// The filter was ignored without a word: the list contained the inboxes, keys and messages of everyone.
test('AgentPost: a misspelt filter is reported in a header, and refused in strict mode', async () => {
  await using world = await startWorld()
  const { body: inbox } = await world.request('POST', '/api/v1/inboxes', { body: { username: 'ada' } })
  for (const [path, name, known] of [
    ['/inboxes?environment=env_x', 'environment', 'environment_id'],
    ['/api-keys?inbox_id=inb_x', 'inbox_id', 'environment_id'],
    ['/webhooks?environment_ids=env_x', 'environment_ids', 'environment_id'],
    [`/inboxes/${inbox.id}/messages?lable=x&labels=y`, 'lable', 'labels'],
    [`/inboxes/${inbox.id}/drafts?labels=x`, 'labels', 'cursor'],
  ] as const) {
    const answer = await world.request('GET', `/api/v1${path}`)
    expect([answer.status, answer.headers.get('martlet-warning')], path).toEqual([
      200,
      `unknown query parameters were ignored: ${name}`,
    ])
    expect(await world.request('GET', `/api/v1${path}`, { headers: strict }), path).toMatchObject({
      status: 400,
      body: { error: { code: 'validation_error', field: name, message: expect.stringContaining(known) } },
    })
  }
  const fine = await world.request('GET', `/api/v1/inboxes/${inbox.id}/messages?limit=1&labels=x`, { headers: strict })
  expect([fine.status, fine.headers.get('martlet-warning')]).toEqual([200, null])
  expect((await world.request('GET', '/api/v1/inboxes?cursor=%00')).status).toBe(400)
})

test('Assmbl: a misspelt filter is reported in a header, and refused in strict mode', async () => {
  await using world = await startWorld()
  const agent = await makeAgent(world)
  for (const [path, name, known] of [
    ['/inbox?labels=x', 'labels', 'write label;'],
    ['/inbox?isRead=false', 'isRead', 'is_read'],
    ['/inbox/unread_count?label=x', 'label', 'there are no query parameters'],
  ] as const) {
    const answer = await agent.request('GET', path)
    expect([answer.status, answer.headers.get('martlet-warning')], path).toEqual([
      200,
      `unknown query parameters were ignored: ${name}`,
    ])
    expect(await agent.request('GET', path, undefined, strict), path).toMatchObject({
      status: 400,
      body: { error: 'validation_error', field: name, message: expect.stringContaining(known) },
    })
  }
  const all = '/inbox?limit=5&q=x&label=x&is_read=true&include_archived=true&verified_only=true'
  const fine = await agent.request('GET', all, undefined, strict)
  expect([fine.status, fine.headers.get('martlet-warning')]).toEqual([200, null])
})
