/** Tests inboxes through the SDK and plain HTTP, against the whole program. */
import { expect, test } from 'vitest'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test('an inbox is created without a body, listed, changed and deleted', async () => {
  const world = await sharedWorld()
  const { inboxes } = world.agentmail
  const made = await inboxes.create()
  expect(made).toMatchObject({ inboxId: expect.stringMatching(/^[a-z0-9]+@mail\.localhost$/), email: made.inboxId })
  expect(made.createdAt).toBeInstanceOf(Date)

  const ada = await inboxes.create({
    username: 'Ada',
    displayName: 'Ada L.',
    clientId: 'ada-1',
    metadata: { team: 'x', size: 3, active: true },
  })
  expect(ada).toMatchObject({ inboxId: 'ada@mail.localhost', displayName: 'Ada L.', clientId: 'ada-1' })
  expect(await inboxes.get('ADA@mail.localhost')).toEqual(ada)

  const updated = await inboxes.update(ada.inboxId, { displayName: 'Countess', metadata: { team: null, floor: 2 } })
  expect(updated).toMatchObject({ displayName: 'Countess', metadata: { size: 3, active: true, floor: 2 } })
  expect(updated.metadata).not.toHaveProperty('team')
  expect((await inboxes.update(ada.inboxId, { metadata: null as never })).metadata).toBeUndefined()
  await expect(inboxes.update(ada.inboxId, { displayName: 'x\ny' })).rejects.toMatchObject({ statusCode: 400 })
  const changes = (await world.request('GET', '/v0/events?after=earliest&event_types=inbox.updated')).body.events
  expect(changes.map(({ inbox }: { inbox: object }) => inbox)).toMatchObject([
    { inbox_id: ada.inboxId, display_name: 'Countess', client_id: 'ada-1' },
    { inbox_id: ada.inboxId },
  ])
  expect(changes[0].inbox).not.toHaveProperty('previous_inbox_id')

  const listed = (await inboxes.list()).inboxes.map((inbox) => inbox.inboxId)
  expect(listed.slice(0, 2)).toEqual([ada.inboxId, made.inboxId]) // newest first

  await inboxes.delete(ada.inboxId)
  await expect(inboxes.get(ada.inboxId)).rejects.toMatchObject({ statusCode: 404, body: { code: 'not_found' } })
})

test('a repeated client_id returns the existing inbox, even if the other fields differ', async () => {
  const world = await sharedWorld()
  const first = await world.agentmail.inboxes.create({ username: 'cleo', clientId: 'one' })
  const again = await world.agentmail.inboxes.create({ username: 'dan', clientId: 'one' })
  expect(again).toEqual(first)
  // Free at once, also while the first one is still being removed.
  await world.agentmail.inboxes.delete(first.inboxId)
  const next = await world.agentmail.inboxes.create({ username: 'cleo-2', clientId: 'one' })
  expect(next.inboxId).toBe('cleo-2@mail.localhost')
})

// A client_id of another pod used to get 403, and an organization's key got the other pod's inbox.
test('each pod has client_ids of its own', async () => {
  const world = await sharedWorld()
  const { agentmail } = world
  const [red, blue] = [await agentmail.pods.create({ name: 'red' }), await agentmail.pods.create({ name: 'blue' })]
  const keyOf = async ({ podId }: { podId: string }) =>
    world.agentmailAs((await world.request('POST', `/v0/pods/${podId}/api-keys`)).body.api_key)
  const [inRed, inBlue] = [await keyOf(red), await keyOf(blue)]

  const ofRed = await inRed.inboxes.create({ clientId: 'main' })
  const ofBlue = await inBlue.inboxes.create({ clientId: 'main' })
  const ofDefault = await agentmail.inboxes.create({ clientId: 'main' })
  expect([ofRed.podId, ofBlue.podId]).toEqual([red.podId, blue.podId])
  expect(new Set([ofRed, ofBlue, ofDefault].map(({ inboxId }) => inboxId)).size).toBe(3)
  // A repeated create finds the same inbox, by either route into the pod.
  expect(await inBlue.inboxes.create({ clientId: 'main' })).toEqual(ofBlue)
  expect(await agentmail.pods.inboxes.create(blue.podId, { clientId: 'main' })).toEqual(ofBlue)
  expect(await agentmail.inboxes.create({ clientId: 'main' })).toEqual(ofDefault)
})

test('an invalid create is refused with the code of the contract', async () => {
  const world = await sharedWorld()
  await world.agentmail.inboxes.create({ username: 'eve' })
  const create = async (body: unknown) => {
    const { status, body: answer } = await world.request('POST', '/v0/inboxes', { body })
    return { status, name: answer.name, code: answer.code }
  }
  expect(await create({ username: 'eve' })).toEqual({ status: 403, name: 'IsTakenError', code: 'resource_taken' })
  expect(await create({ username: 'EVE' })).toMatchObject({ status: 403 })
  const unprocessable = { status: 422, name: 'UnprocessableError', code: 'unprocessable' }
  expect(await create({ username: 'bob', domain: 'somebody-elses.test' })).toEqual(unprocessable)
  const invalid = { status: 400, name: 'ValidationError', code: 'validation_error' }
  for (const username of ['', 'a b', 'a@b', 'a+b', 'a\u0000b', 'x'.repeat(65), 'a\r\nb', '"', '<a>']) {
    expect(await create({ username }), username).toEqual(invalid)
  }
  for (const client_id of ['', 'a b', 'a@b', 'x'.repeat(257)])
    expect(await create({ client_id }), client_id).toEqual(invalid)
  expect(await create({ display_name: 'x'.repeat(257) })).toEqual(invalid)
  expect(await create({ metadata: { key: 'x'.repeat(257) } })).toEqual(invalid)
})

test('a PATCH that changes nothing is refused', async () => {
  const world = await sharedWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'fay', displayName: 'Fay' })
  const path = `/v0/inboxes/${encodeURIComponent(inboxId)}`
  expect(await world.request('PATCH', path, { body: {} })).toMatchObject({ status: 400 })
  expect(await world.request('PATCH', path, { body: { metadata: {} } })).toMatchObject({ status: 400 })
  const { status, body } = await world.request('PATCH', path, { body: { display_name: null } })
  expect(status).toBe(200)
  expect(body).not.toHaveProperty('display_name')
  expect((await world.request('GET', path)).body).not.toHaveProperty('display_name')
})

test('pages go from the newest inbox to the oldest, and in reverse', async () => {
  const world = await sharedWorld()
  const { inboxes } = world.agentmail
  for (const username of ['one', 'two', 'three']) await inboxes.create({ username })
  const all = (await inboxes.list()).inboxes.map((inbox) => inbox.inboxId)

  const walked: string[] = []
  let pageToken: string | undefined
  do {
    const page = await inboxes.list({ limit: 1, ...(pageToken && { pageToken }) })
    expect(page).toMatchObject({ count: page.inboxes.length, limit: 1 })
    walked.push(...page.inboxes.map((inbox) => inbox.inboxId))
    pageToken = page.nextPageToken
  } while (pageToken)
  expect(walked).toEqual(all)
  expect((await inboxes.list({ ascending: true })).inboxes.map((inbox) => inbox.inboxId)).toEqual(all.toReversed())

  const { nextPageToken } = await inboxes.list({ limit: 1 })
  for (const query of ['page_token=nonsense', `page_token=${nextPageToken}&ascending=true`, 'page_token=%00']) {
    const answer = await world.request('GET', `/v0/inboxes?${query}`)
    expect(answer, query).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  }
  expect(await world.request('GET', '/v0/inboxes?limit=100000')).toMatchObject({ status: 200, body: { limit: 500 } })
})

test('an inbox created in a pod is visible only there', async () => {
  const world = await sharedWorld()
  const { pods } = world.agentmail
  const red = await pods.create({ name: 'red' })
  const blue = await pods.create({ name: 'blue', clientId: 'blue-1' })
  const gus = await pods.inboxes.create(red.podId, { username: 'gus' })
  const hal = await pods.inboxes.create('blue-1', { username: 'hal' })
  expect(gus.podId).toBe(red.podId)
  expect(hal.podId).toBe(blue.podId)

  expect((await pods.inboxes.list(red.podId)).inboxes).toEqual([gus])
  expect((await pods.inboxes.get(red.podId, gus.inboxId)).inboxId).toBe(gus.inboxId)
  await expect(pods.inboxes.get(blue.podId, gus.inboxId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(pods.inboxes.delete(blue.podId, gus.inboxId)).rejects.toMatchObject({ statusCode: 404 })
  await expect(pods.inboxes.list('no-such-pod')).rejects.toMatchObject({ statusCode: 404 })
  const byParameter = await world.request('GET', `/v0/inboxes?pod_id=${blue.podId}`)
  expect(byParameter.body.inboxes).toMatchObject([{ inbox_id: hal.inboxId }])

  await pods.inboxes.update(red.podId, gus.inboxId, { displayName: 'Gus' })
  await pods.inboxes.delete(red.podId, gus.inboxId)
  expect((await pods.inboxes.list(red.podId)).count).toBe(0)
})
