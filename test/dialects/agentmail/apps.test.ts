/** Tests what AgentMail has and Martlet offers none of: apps (older: providers), accounts and labs. */
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'

test('apps, providers and accounts are empty lists, and a single one is not found', async () => {
  await using world = await startWorld()
  const { inboxId, podId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const get = (path: string, key = world.rootKey) => world.request('GET', `/v0${path}`, { key })
  const scopes = ['', `/pods/${podId}`, `/inboxes/${encodeURIComponent(inboxId)}`]
  const lists = [
    ...['/apps', '/apps?category=developer-tools', '/apps/search?q=x', '/providers', '/providers/search?q=x'],
    ...scopes.map((scope) => `${scope}/accounts`),
  ]
  for (const path of lists) {
    const [, items] = /(apps|providers|accounts)(?:\/search)?(?:\?|$)/.exec(path)!
    const limited = `${path}${path.includes('?') ? '&' : '?'}limit=7`
    expect(await get(path), path).toMatchObject({ status: 200, body: { count: 0, limit: 50, [items!]: [] } })
    expect((await get(limited)).body, path).toEqual({ count: 0, limit: 7, [items!]: [] })
    expect((await get(`${limited}&limit=8`)).status, path).toBe(400)
  }
  expect((await get('/apps?category=nonsense')).body.errors[0].path).toEqual(['category'])
  expect((await get('/apps?page_token=x')).status).toBe(400)
  expect((await get('/apps/search')).body.errors[0].path).toEqual(['q'])

  const missing = [
    ...['app', '01a1fdba-27ed-714a-87b4-5ac5b9528684', 'a%20slug'].flatMap((id) => [
      ...[`GET /apps/${id}`, `GET /apps/${id}/accounts`, `POST /apps/${id}/connect`],
      ...[`GET /providers/${id}`, `GET /providers/${id}/accounts`, `POST /providers/${id}/connect`],
    ]),
    ...scopes.map((scope) => `GET ${scope}/accounts/x`),
    'PATCH /accounts/x/update',
  ]
  for (const operation of missing) {
    const [method, path] = operation.split(' ')
    expect(await world.request(method!, `/v0${path}`), operation).toMatchObject({
      status: 404,
      body: { code: 'not_found', message: expect.stringMatching(/^(App|Provider|Account) not found$/) },
    })
  }
  const body = { permissions: { message_read: true } }
  const { body: narrow } = await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body })
  expect((await get('/accounts', narrow.api_key)).body.fix).toContain('inbox_read')
})

test('labs: none to join', async () => {
  await using world = await startWorld()
  const { podId } = await world.agentmail.inboxes.create()
  const labs = (method: string, key = world.rootKey) => world.request(method, '/v0/organizations/labs', { key })
  expect(await labs('GET')).toMatchObject({ status: 200, body: { enabled: false, enabled_at: null, available: false } })
  expect(await labs('POST')).toMatchObject({ status: 403, body: { name: 'ForbiddenError', code: 'not_implemented' } })
  const { apiKey } = await world.agentmail.pods.apiKeys.create(podId, {})
  for (const method of ['GET', 'POST']) expect((await labs(method, apiKey)).status).toBe(403)
})
