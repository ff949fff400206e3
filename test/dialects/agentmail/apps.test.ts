/** Tests what AgentMail has and Martlet offers none of: apps (older: providers), accounts, sign-ins and labs. */
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

test('no sign-in waits for an inbox: a token is checked for its form, and then not found', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const authorize = (body: object | string | undefined, { key = world.rootKey, inbox = inboxId } = {}) =>
    world.request('POST', `/v0/inboxes/${encodeURIComponent(inbox)}/authorize`, { key, ...(body && { body }) })
  const token = 'Zk3vT9qLw4ePzR31aBcD-x'
  for (const body of [{ auth_token: token }, { auth_token: token, accept_disclosure: true }]) {
    const answer = await authorize(body)
    expect(answer).toMatchObject({ status: 404, body: { name: 'NotFoundError', code: 'not_found' } })
    expect(answer.body.message).toBe('Sign-in not found')
  }
  const wrong = [undefined, {}, { auth_token: 7 }, { auth_token: `${token}x` }, { auth_token: '' }]
  for (const body of [...wrong, { auth_token: `${token.slice(1)}\n` }, { auth_token: `${token.slice(1)}é` }])
    expect(await authorize(body), JSON.stringify(body)).toMatchObject({
      status: 400,
      body: { code: 'validation_error', errors: [{ path: ['auth_token'] }] },
    })
  const disclosure = await authorize({ auth_token: token, accept_disclosure: 'yes' })
  expect(disclosure.body.errors[0].path).toEqual(['accept_disclosure'])
  const missing = await authorize({ auth_token: token }, { inbox: 'nobody@mail.localhost' })
  expect(missing).toMatchObject({ status: 404, body: { message: 'Inbox not found' } })

  // The permission has an older name.
  const keyWith = async (flag: string) =>
    (await world.request('POST', '/v0/api-keys', { body: { permissions: { [flag]: true } } })).body.api_key
  for (const flag of ['app_connect', 'provider_connect'])
    expect((await authorize({ auth_token: token }, { key: await keyWith(flag) })).status, flag).toBe(404)
  expect(await authorize({ auth_token: token }, { key: await keyWith('inbox_update') })).toMatchObject({
    status: 403,
    body: { code: 'missing_permission', fix: expect.stringContaining('app_connect') },
  })
})

test('labs: none to join', async () => {
  await using world = await startWorld({ env: { MARTLET_SIGN_UP: 'on' } })
  const { podId } = await world.agentmail.inboxes.create()
  const labs = (method: string, key = world.rootKey) => world.request(method, '/v0/organizations/labs', { key })
  expect(await labs('GET')).toMatchObject({ status: 200, body: { enabled: false, enabled_at: null, available: false } })
  for (let time = 0; time < 2; time++)
    expect(await labs('POST')).toMatchObject({
      status: 403,
      body: { name: 'ForbiddenError', code: 'forbidden', message: expect.stringContaining('Labs are not available') },
    })
  const { apiKey } = await world.agentmail.pods.apiKeys.create(podId, {})
  for (const method of ['GET', 'POST'])
    expect(await labs(method, apiKey)).toMatchObject({
      status: 403,
      body: { fix: expect.stringContaining('organization') },
    })
  const { body: limited } = await world.request('POST', '/v0/api-keys', { body: { permissions: { inbox_read: true } } })
  expect((await labs('GET', limited.api_key)).status).toBe(200)
  expect(await labs('POST', limited.api_key)).toMatchObject({
    status: 403,
    body: { code: 'unrestricted_key_required' },
  })
  const agent = { username: 'agent', human_email: 'eve@people.dev' }
  const { body: signedUp } = await world.request('POST', '/v0/agent/sign-up', { body: agent, key: '' })
  expect(await labs('POST', signedUp.api_key)).toMatchObject({ status: 403, body: { code: 'organization_unverified' } })
})
