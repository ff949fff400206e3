/** Tests pods, the organization, and the scope of a key. */
import type { AgentMail } from 'agentmail'
import { expect, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test('a pod is created, found by id and client_id, listed, and deleted only when it is empty', async () => {
  const world = await sharedWorld()
  const { pods, inboxes } = world.agentmail
  const red = await pods.create({ name: 'red', clientId: 'red-1' })
  expect(red).toMatchObject({ name: 'red', clientId: 'red-1', createdAt: expect.any(Date) })
  expect(await pods.create({ name: 'other', clientId: 'red-1' })).toEqual(red)
  expect(await pods.get(red.podId)).toEqual(red)
  expect(await pods.get('red-1')).toEqual(red)
  expect((await pods.list()).pods).toContainEqual(red)

  const inbox = await pods.inboxes.create(red.podId, { username: 'ann' })
  await expect(pods.delete(red.podId)).rejects.toMatchObject({
    statusCode: 403,
    body: { code: 'cannot_delete', message: 'The pod has 1 inbox; delete them first' },
  })
  await inboxes.delete(inbox.inboxId)
  // The contents of the inbox are removed in the background.
  const deleted = () =>
    pods.delete(red.podId).then(
      () => 'deleted',
      (error: unknown) => (error as { body?: { code?: string } }).body?.code,
    )
  await expect.poll(deleted).toBe('deleted')
  await expect(pods.get(red.podId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(pods.get('red-1')).rejects.toMatchObject({ statusCode: 404 })
})

test('the default pod cannot be deleted', async () => {
  const world = await sharedWorld()
  const { podId } = await world.agentmail.inboxes.create()
  await expect(world.agentmail.pods.delete(podId)).rejects.toMatchObject({
    statusCode: 403,
    body: { code: 'cannot_delete' },
  })
})

test('auth/me returns the scope of a key, whatever its permissions', async () => {
  const world = await sharedWorld()
  const { organizationId } = await world.agentmail.organizations.get()
  const pod = await world.agentmail.pods.create({ name: 'red' })
  const inbox = await world.agentmail.pods.inboxes.create(pod.podId, { username: 'ada' })
  const podKey = await world.agentmail.pods.apiKeys.create(pod.podId, {})
  const inboxKey = (await world.agentmail.inboxes.apiKeys.create(inbox.inboxId, {
    permissions: { messageSend: true },
  })) as AgentMail.CreateApiKeyResponse
  const me = async (key: string) => (await world.request('GET', '/v0/auth/me', { key })).body

  expect(await me(world.rootKey)).toMatchObject({
    scope_type: 'organization',
    scope_id: organizationId,
    organization_id: organizationId,
  })
  expect(await me(podKey.apiKey)).toEqual({
    scope_type: 'pod',
    scope_id: pod.podId,
    organization_id: organizationId,
    pod_id: pod.podId,
    api_key_id: podKey.apiKeyId,
  })
  expect(await me(inboxKey.apiKey)).toEqual({
    scope_type: 'inbox',
    scope_id: inbox.inboxId,
    organization_id: organizationId,
    pod_id: pod.podId,
    inbox_id: inbox.inboxId,
    api_key_id: inboxKey.apiKeyId,
  })
})

test('only an organization-wide key can read the organization', async () => {
  const world = await sharedWorld()
  const before = await world.agentmail.organizations.get()
  expect(before).toMatchObject({ organizationId: expect.any(String), domainCount: expect.any(Number) })
  const inbox = await world.agentmail.inboxes.create()
  expect((await world.agentmail.organizations.get()).inboxCount).toBe(before.inboxCount + 1)
  const { apiKey: key } = (await world.agentmail.inboxes.apiKeys.create(
    inbox.inboxId,
    {},
  )) as AgentMail.CreateApiKeyResponse
  expect(await world.request('GET', '/v0/organizations', { key })).toMatchObject({
    status: 403,
    body: { name: 'ForbiddenError' },
  })
})
