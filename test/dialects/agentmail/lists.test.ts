/**
 * Tests allow and block lists as AgentMail's clients use them.
 */
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { databaseName } from '../../support/test-database.ts'
import { startWorld, type World } from '../../support/world.ts'

/** One server for all tests: each uses inboxes and pods of its own. */
let world: World
beforeAll(async () => {
  world = await startWorld({ limits: { listEntries: { perListMax: 3, removalChunkRows: 2 } } })
})
afterAll(() => world[Symbol.asyncDispose]())

const notFound = { statusCode: 404, body: { code: 'not_found' } }
const createdAt = expect.any(Date)

test('an entry is created, read, listed and deleted in each of the six lists of each scope', async () => {
  const { agentmail } = world
  const { podId } = await agentmail.pods.create({ name: 'red' })
  const { inboxId } = await agentmail.pods.inboxes.create(podId, { username: 'ada' })
  const { organizationId } = await agentmail.organizations.get()
  const scopes = [
    { lists: agentmail.lists, of: [], more: {} },
    { lists: agentmail.pods.lists, of: [podId], more: { podId } },
    { lists: agentmail.inboxes.lists, of: [inboxId], more: { podId, inboxId } },
  ]
  for (const { lists, of, more } of scopes) {
    // biome-ignore lint/suspicious/noExplicitAny: the three clients differ only in their first parameter
    const call = (name: string, ...rest: unknown[]) => (lists as any)[name](...of, ...rest)
    for (const direction of ['send', 'receive', 'reply']) {
      for (const listType of ['allow', 'block']) {
        const made = await call('create', direction, listType, { entry: ' Ann@Example.TEST ', reason: 'spam' })
        const email = { entry: 'ann@example.test', entryType: 'email', reason: 'spam' }
        expect(made).toEqual({ ...email, organizationId, ...more, direction, listType, createdAt })
        const domain = await call('create', direction, listType, { entry: 'bücher.test' })
        expect(domain).toMatchObject({ entry: 'xn--bcher-kva.test', entryType: 'domain' })
        expect(await call('create', direction, listType, { entry: 'ann@example.test', reason: 'no' })).toEqual(made)
        expect(await call('get', direction, listType, 'ANN@example.test')).toEqual(made)
        expect(await call('get', direction, listType, 'bücher.test')).toEqual(domain)
        expect(await call('list', direction, listType)).toEqual({ count: 2, limit: 50, entries: [made, domain] })
        const first = await call('list', direction, listType, { limit: 1 })
        expect(first.entries).toEqual([made])
        const second = await call('list', direction, listType, { limit: 1, pageToken: first.nextPageToken })
        expect(second).toEqual({ count: 1, limit: 1, entries: [domain] })
        await call('delete', direction, listType, 'bücher.test')
        for (const name of ['get', 'delete'])
          await expect(call(name, direction, listType, 'bücher.test')).rejects.toMatchObject(notFound)
        await call('delete', direction, listType, 'ann@example.test') // organization lists concern the other tests
      }
    }
  }
})

// It was an address that no mail has: a block list blocked nobody, and an allow list allowed nobody.
test('an entry with a wildcard is refused with what to write', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'wild' })
  const at = `/v0/inboxes/${inboxId}/lists/receive/block`
  for (const entry of ['*@evil.test', '*.evil.test', 'sales-*@evil.test', '*']) {
    expect(await world.request('POST', at, { body: { entry } }), entry).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('no wildcards: a domain'), errors: [{ path: ['entry'] }] },
    })
  }
  expect((await world.request('GET', at)).body.count).toBe(0)
  expect((await world.request('GET', `${at}/*@evil.test`)).status).toBe(404)
})

test('a token belongs to its list, and what is no entry is refused', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'bob' })
  const at = `/v0/inboxes/${inboxId}/lists`
  for (const entry of ['a.test', 'b.test']) await world.request('POST', `${at}/receive/block`, { body: { entry } })
  const { body: page } = await world.request('GET', `${at}/receive/block?limit=1`)
  const other = await world.request('GET', `${at}/receive/allow?page_token=${page.next_page_token}`)
  expect(other).toMatchObject({ status: 400, body: { code: 'validation_error' } })

  const long = `${'a.'.repeat(10)}test`
  for (const entry of [
    '',
    'no address',
    'Ann <ann@a.test>',
    '@a.test',
    '*.a.test',
    'a@b@c',
    '10.0.0.1',
    long,
    'x\0y',
  ]) {
    const { status, body } = await world.request('POST', `${at}/receive/block`, { body: { entry } })
    expect([status, body.errors?.[0].path], entry).toEqual([400, ['entry']])
    const found = await world.request('GET', `${at}/receive/block/${encodeURIComponent(entry || ' ')}`)
    expect(found.status, entry).toBe(404)
  }
  for (const body of [
    {},
    { entry: 1 },
    { entry: 'c.test', reason: 'x'.repeat(1_001) },
    { entry: 'c.test', reason: '\0' },
  ])
    expect((await world.request('POST', `${at}/receive/block`, { body })).status).toBe(400)
  const longest = { entry: 'c.test', reason: 'x'.repeat(1_000) }
  expect(await world.request('POST', `${at}/receive/block`, { body: longest })).toMatchObject({ body: longest })
  for (const list of ['other/block', 'send/other'])
    expect((await world.request('GET', `${at}/${list}`)).status).toBe(400)
})

test('a list has a limit', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'cleo' })
  const { lists } = world.agentmail.inboxes
  for (const entry of ['a.test', 'b.test', 'c.test', 'a.test']) await lists.create(inboxId, 'send', 'block', { entry })
  const refused = lists.create(inboxId, 'send', 'block', { entry: 'd.test' })
  await expect(refused).rejects.toMatchObject({ statusCode: 403, body: { code: 'limit_exceeded' } })
  await lists.create(inboxId, 'send', 'allow', { entry: 'd.test' })
})

test('a key reaches the lists of its scope, with the flag of the call', async () => {
  const { agentmail } = world
  const { podId } = await agentmail.pods.create({ name: 'blue' })
  const { inboxId } = await agentmail.pods.inboxes.create(podId, { username: 'dora' })
  const other = await agentmail.inboxes.create({ username: 'eve' })
  const keyOf = async (at: string, permissions?: object) =>
    (await world.request('POST', `/v0${at}/api-keys`, { body: { ...(permissions && { permissions }) } })).body.api_key
  const podKey = await keyOf(`/pods/${podId}`)
  const inboxKey = await keyOf(`/inboxes/${inboxId}`)
  const list = 'lists/receive/block'
  const status = async (method: string, path: string, key: string) =>
    (await world.request(method, `/v0/${path}`, { key, ...(method === 'POST' && { body: { entry: 'x.test' } }) }))
      .status
  const each = async (path: string, key: string) => [
    await status('POST', path, key),
    await status('GET', path, key),
    await status('GET', `${path}/x.test`, key),
    await status('DELETE', `${path}/x.test`, key),
  ]
  expect(await each(`inboxes/${inboxId}/${list}`, inboxKey)).toEqual([200, 200, 200, 204])
  expect(await each(`inboxes/${inboxId}/${list}`, podKey)).toEqual([200, 200, 200, 204])
  expect(await each(`pods/${podId}/${list}`, podKey)).toEqual([200, 200, 200, 204])
  for (const [path, key] of [
    [list, podKey],
    [list, inboxKey],
    [`pods/${podId}/${list}`, inboxKey],
  ] as const)
    expect(await each(path, key), path).toEqual([403, 403, 403, 403])
  expect(await each(`inboxes/${other.inboxId}/${list}`, podKey)).toEqual([404, 404, 404, 404])
  expect(await each(`inboxes/${other.inboxId}/${list}`, inboxKey)).toEqual([404, 404, 404, 404])
  expect(await each(`pods/nowhere/${list}`, world.rootKey)).toEqual([404, 404, 404, 404])

  const mayOnly = (flag: string) => keyOf(`/inboxes/${inboxId}`, { [flag]: true })
  const at = `inboxes/${inboxId}/${list}`
  expect(await each(at, await mayOnly('list_entry_create'))).toEqual([200, 403, 403, 403])
  expect(await each(at, await mayOnly('list_entry_read'))).toEqual([403, 200, 200, 403])
  expect(await each(at, await mayOnly('list_entry_delete'))).toEqual([403, 403, 403, 204])
})

test('the entries of a deleted inbox or pod are removed', async () => {
  const { agentmail } = world
  const { podId } = await agentmail.pods.create({ name: 'green' })
  const { inboxId } = await agentmail.pods.inboxes.create(podId, { username: 'fay' })
  for (const entry of ['a.test', 'b.test', 'c.test']) {
    await agentmail.pods.lists.create(podId, 'receive', 'block', { entry })
    await agentmail.inboxes.lists.create(inboxId, 'send', 'allow', { entry })
  }
  await agentmail.inboxes.delete(inboxId)
  await expect(agentmail.inboxes.lists.list(inboxId, 'send', 'allow')).rejects.toMatchObject(notFound)
  await expect
    .poll(
      () =>
        agentmail.pods.delete(podId).then(
          () => 'deleted',
          () => 'in use',
        ),
      { timeout: 10_000 },
    )
    .toBe('deleted')
  if (databaseName() === 'sqlite') {
    const database = new BetterSqlite(join(world.dataDir, 'martlet.db'), { readonly: true })
    const count = database.prepare('select count(*) from list_entries where pod_id = ?').pluck()
    await expect.poll(() => count.get(podId), { timeout: 10_000 }).toBe(0)
    database.close()
  }
  // A new inbox with this address has lists of its own.
  const again = await agentmail.inboxes.create({ username: 'fay' })
  expect((await agentmail.inboxes.lists.list(again.inboxId, 'send', 'allow')).count).toBe(0)
})
