/**
 * Tests API keys with each scope: the response shapes that the SDK accepts, scopes, permissions, expiry and deletion.
 */
import type { AgentMail } from 'agentmail'
import { expect, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test('a key is created, works, is renamed, is listed, and stops working when it is deleted', async () => {
  const world = await sharedWorld()
  const { apiKeys } = world.agentmail
  const made = (await apiKeys.create({ name: 'agent' })) as AgentMail.CreateApiKeyResponse
  expect(made).toMatchObject({ name: 'agent', apiKey: expect.stringMatching(/^am_/), createdAt: expect.any(Date) })
  expect(made.apiKey.startsWith(made.prefix)).toBe(true)
  expect(made).not.toHaveProperty('permissions')

  const own = world.agentmailAs(made.apiKey)
  expect((await own.inboxes.list()).count).toBeGreaterThanOrEqual(0)
  expect(await apiKeys.get(made.apiKeyId)).toMatchObject({ type: 'bearer', apiKeyId: made.apiKeyId, name: 'agent' })
  expect(await apiKeys.update(made.apiKeyId, { name: 'robot' })).toMatchObject({ type: 'bearer', name: 'robot' })
  const { apiKeys: listed } = await apiKeys.list()
  expect(listed[0]).toMatchObject({ apiKeyId: made.apiKeyId, name: 'robot' })
  expect(JSON.stringify(listed)).not.toContain(made.apiKey)

  await apiKeys.delete(made.apiKeyId)
  await expect(own.inboxes.list()).rejects.toMatchObject({ statusCode: 401, body: { code: 'unknown_api_key' } })
  await expect(apiKeys.get(made.apiKeyId)).rejects.toMatchObject({ statusCode: 404 })
})

test('a permissions object lists everything that is allowed, even when it has no known flag', async () => {
  const world = await sharedWorld()
  const inbox = await world.agentmail.inboxes.create()
  const make = async (permissions: object) => {
    const { status, body } = await world.request('POST', '/v0/api-keys', { body: { permissions } })
    expect(status).toBe(200)
    return body
  }
  const reader = await make({ message_read: true, inbox_read: true, message_send: false })
  expect(reader.permissions).toEqual({ message_read: true, inbox_read: true })
  const messages = `/v0/inboxes/${inbox.inboxId}/messages`
  expect(await world.request('GET', messages, { key: reader.api_key })).toMatchObject({ status: 200 })
  const refused = await world.request('POST', `${messages}/send`, { key: reader.api_key, body: { to: 'a@b.test' } })
  expect(refused).toMatchObject({
    status: 403,
    body: { code: 'missing_permission', message: 'Forbidden', fix: expect.stringContaining('message_send') },
  })

  const nothing = await make({ thread_read: true, flag_of_the_future: true })
  expect(nothing.permissions).toEqual({})
  expect(await world.request('GET', messages, { key: nothing.api_key })).toMatchObject({ status: 403 })
})

test('a key cannot grant permissions that it does not have', async () => {
  const world = await sharedWorld()
  const { body: parent } = await world.request('POST', '/v0/api-keys', {
    body: { permissions: { api_key_create: true, api_key_update: true, api_key_read: true, message_read: true } },
  })
  const create = (body: object) => world.request('POST', '/v0/api-keys', { key: parent.api_key, body })
  expect(await create({ permissions: { message_read: true } })).toMatchObject({ status: 200 })
  expect(await create({ permissions: { message_send: true } })).toMatchObject({
    status: 403,
    body: { code: 'permission_escalation' },
  })
  expect(await create({})).toMatchObject({ status: 403, body: { code: 'unrestricted_key_required' } })
  const lifted = await world.request('PATCH', `/v0/api-keys/${parent.api_key_id}`, {
    key: parent.api_key,
    body: { permissions: null },
  })
  expect(lifted).toMatchObject({ status: 403, body: { code: 'unrestricted_key_required' } })
  const byRoot = await world.request('PATCH', `/v0/api-keys/${parent.api_key_id}`, { body: { permissions: null } })
  expect(byRoot).toMatchObject({ status: 200 })
  expect(byRoot.body).not.toHaveProperty('permissions')
})

test('a key of a pod or an inbox sees only what belongs to it, and a pod has a limited number of keys', async () => {
  await using world = await startWorld({ limits: { access: { apiKeysPerPodMax: 2 } } })
  const root = world.agentmail
  const pod = await root.pods.create({ name: 'red' })
  const ada = await root.pods.inboxes.create(pod.podId, { username: 'ada' })
  const bob = await root.inboxes.create({ username: 'bob' })
  const podKey = await root.pods.apiKeys.create(pod.podId, { name: 'pod key' })
  const inboxKey = (await root.inboxes.apiKeys.create(ada.inboxId, {
    name: 'inbox key',
  })) as AgentMail.CreateApiKeyResponse
  expect(podKey).toMatchObject({ podId: pod.podId })
  expect(inboxKey).toMatchObject({ inboxId: ada.inboxId })

  for (const { apiKey } of [podKey, inboxKey]) {
    const scoped = world.agentmailAs(apiKey)
    expect((await scoped.inboxes.list()).inboxes.map((inbox) => inbox.inboxId)).toEqual([ada.inboxId])
    await expect(scoped.inboxes.get(bob.inboxId)).rejects.toMatchObject({ statusCode: 404 })
    await expect(scoped.inboxes.messages.list(bob.inboxId)).rejects.toMatchObject({ statusCode: 404 })
  }
  const onPodRoute = await world.request('GET', `/v0/pods/${pod.podId}/inboxes`, { key: inboxKey.apiKey })
  expect(onPodRoute).toMatchObject({ status: 403, body: { code: 'forbidden' } })

  // Each path lists the keys that were created there, and can change only those.
  expect((await root.pods.apiKeys.list(pod.podId)).apiKeys).toMatchObject([{ apiKeyId: podKey.apiKeyId }])
  expect((await root.inboxes.apiKeys.list(ada.inboxId)).apiKeys).toMatchObject([{ apiKeyId: inboxKey.apiKeyId }])
  expect(await root.inboxes.apiKeys.update(ada.inboxId, inboxKey.apiKeyId, { name: 'x' })).toMatchObject({ name: 'x' })
  await expect(root.inboxes.apiKeys.delete(bob.inboxId, inboxKey.apiKeyId)).rejects.toMatchObject({ statusCode: 404 })

  const tooMany = { statusCode: 403, body: { code: 'limit_exceeded' } }
  await expect(world.agentmailAs(podKey.apiKey).pods.apiKeys.create(pod.podId, {})).rejects.toMatchObject(tooMany)
  await expect(root.inboxes.apiKeys.create(ada.inboxId, {})).rejects.toMatchObject(tooMany)
  await root.inboxes.apiKeys.create(bob.inboxId, {}) // of another pod
  await root.inboxes.apiKeys.delete(ada.inboxId, inboxKey.apiKeyId)
  await root.pods.apiKeys.create(pod.podId, {})
  await root.pods.apiKeys.delete(pod.podId, podKey.apiKeyId)
  expect(await world.request('GET', '/v0/inboxes', { key: podKey.apiKey })).toMatchObject({ status: 401 })
})

test('a key stops working at the time when it expires', async () => {
  let now = Date.UTC(2026, 0, 1)
  await using world = await startWorld({ clock: () => now })
  const create = (expires_at: unknown, key = world.rootKey) =>
    world.request('POST', '/v0/api-keys', { body: { expires_at }, key })
  const { body } = await create('2026-01-02T00:00:00Z')
  expect(body.expires_at).toBe('2026-01-02T00:00:00.000Z')
  // A key that it makes inherits the time, or expires earlier.
  expect((await create(undefined, body.api_key)).body.expires_at).toBe('2026-01-02T00:00:00.000Z')
  expect((await create('2026-01-01T12:00:00Z', body.api_key)).body.expires_at).toBe('2026-01-01T12:00:00.000Z')
  expect(await create('2026-01-02T00:00:00.001Z', body.api_key)).toMatchObject({ status: 403 })
  expect(await world.request('GET', '/v0/pods', { key: body.api_key })).toMatchObject({ status: 200 })
  now = Date.UTC(2026, 0, 2)
  expect(await world.request('GET', '/v0/pods', { key: body.api_key })).toMatchObject({ status: 401 })
  expect(await create('2025-01-01T00:00:00Z')).toMatchObject({ status: 400 })
  expect(await create('soon')).toMatchObject({ status: 400 })
  expect(await create(1)).toMatchObject({ status: 400 })
})

test('the root key cannot be deleted', async () => {
  const world = await sharedWorld()
  const { body } = await world.request('GET', '/v0/auth/me')
  const answer = await world.request('DELETE', `/v0/api-keys/${body.api_key_id}`)
  expect(answer).toMatchObject({ status: 403, body: { code: 'cannot_delete' } })
})

test('a key cannot change or delete a key with more permissions than its own', async () => {
  const world = await sharedWorld()
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  const levels = { own: '/v0', pod: `/v0/pods/${inbox.podId}`, inbox: `/v0/inboxes/${inbox.inboxId}` }
  const make = async (level: string, body: object = {}) => {
    const made = await world.request('POST', `${level}/api-keys`, { body })
    return { key: made.body.api_key as string, at: `${level}/api-keys/${made.body.api_key_id}` }
  }
  const manage = { api_key_read: true, api_key_update: true, api_key_delete: true }
  const weak = await make(levels.own, { permissions: { ...manage, message_read: true } })
  const refused = { status: 403, body: { name: 'ForbiddenError', code: 'forbidden' } }
  const { api_key_id: rootId } = (await world.request('GET', '/v0/auth/me')).body
  for (const level of Object.values(levels)) {
    const strong = [
      await make(level),
      await make(level, { permissions: { message_send: true } }),
      await make(level, { permissions: { ...manage, message_read: true, label_trash_read: true } }),
    ]
    if (level === levels.own) strong.push({ key: world.rootKey, at: `/v0/api-keys/${rootId}` })
    for (const { key, at } of strong) {
      const as = { key: weak.key }
      const before = await world.request('GET', at, as)
      expect(before.status).toBe(200) // the key may read it
      const changes = [{ name: 'mine' }, { permissions: {} }, { permissions: { message_read: true } }]
      for (const body of [...changes, { permissions: null }]) {
        expect((await world.request('PATCH', at, { ...as, body })).status, JSON.stringify(body)).toBe(403)
      }
      expect(await world.request('PATCH', at, { ...as, body: { name: 'mine' } })).toMatchObject(refused)
      expect(await world.request('DELETE', at, as)).toMatchObject(refused)
      const { used_at: _before, ...unchanged } = before.body
      expect((await world.request('GET', at, as)).body).toMatchObject(unchanged)
      expect((await world.request('GET', '/v0/auth/me', { key })).status).toBe(200)
    }
    // It may change a key with no more permissions than its own.
    const equal = await make(level, { permissions: { message_read: true } })
    const given = { permissions: { api_key_read: true, message_read: true } }
    const raised = await world.request('PATCH', equal.at, { key: weak.key, body: given })
    expect(raised).toMatchObject({ status: 200, body: given })
    const tooMuch = { permissions: { message_read: true, message_send: true } }
    const answer = await world.request('PATCH', equal.at, { key: weak.key, body: tooMuch })
    expect(answer).toMatchObject({ status: 403, body: { code: 'permission_escalation' } })
    expect((await world.request('DELETE', equal.at, { key: weak.key })).status).toBe(204)
  }
  // This applies to itself too: it may remove its own permissions, but cannot add them again.
  const self = (permissions: object) => world.request('PATCH', weak.at, { key: weak.key, body: { permissions } })
  expect((await self(manage)).status).toBe(200)
  expect(await self({ ...manage, message_read: true })).toMatchObject({ body: { code: 'permission_escalation' } })
  expect((await world.request('DELETE', weak.at, { key: weak.key })).status).toBe(204)
})

test('a key that expires cannot grant permissions to a key that expires later', async () => {
  const world = await sharedWorld()
  const make = async (permissions: object, expires_at?: string) => {
    const { body } = await world.request('POST', '/v0/api-keys', { body: { permissions, expires_at } })
    return { key: body.api_key as string, at: `/v0/api-keys/${body.api_key_id}` }
  }
  const [soon, later] = ['2100-01-01T00:00:00Z', '2100-01-02T00:00:00Z']
  const manager = await make({ api_key_update: true, message_read: true, message_send: true }, soon)
  const raise = { permissions: { message_read: true, message_send: true } }
  for (const [expiry, status] of [
    [undefined, 403],
    [later, 403],
    [soon, 200],
  ] as const) {
    const other = await make({ message_read: true }, expiry)
    const change = (body: object) => world.request('PATCH', other.at, { key: manager.key, body })
    expect((await change({ name: 'renamed', permissions: { message_read: true } })).status).toBe(200)
    expect((await change(raise)).status, expiry).toBe(status)
    expect((await change({ permissions: {} })).status).toBe(200)
  }
})

// It was ignored: a key that was meant to expire did not.
test('the time of expiry cannot be changed; a client may send back the one that it got', async () => {
  const world = await sharedWorld()
  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  for (const own of [{ expires_at }, {}]) {
    const { body: made } = await world.request('POST', '/v0/api-keys', { body: { ...own } })
    const at = `/v0/api-keys/${made.api_key_id}`
    const never = made.expires_at === undefined ? [] : [null]
    for (const other of [new Date(Date.now() + 60_000).toISOString(), '2020-01-01', 'never', ...never]) {
      expect(await world.request('PATCH', at, { body: { name: 'x', expires_at: other } }), `${other}`).toMatchObject({
        status: 400,
        body: { errors: [{ path: ['expires_at'] }] },
      })
    }
    expect((await world.request('GET', at)).body).toMatchObject({ name: made.name, ...own })
    const again = { ...made, name: 'y', expires_at: made.expires_at ?? null }
    expect((await world.request('PATCH', at, { body: again })).body).toMatchObject({ name: 'y', ...own })
  }
})
