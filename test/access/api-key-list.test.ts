/** The list of API keys, page by page, and the number of queries that a page needs; and when each key was last used. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createApiKeys, keyColumns } from '../../src/mail/access/keys/api-keys.ts'
import { createCredentials } from '../../src/mail/access/keys/credentials.ts'
import type { Store } from '../../src/store/store.ts'
import * as apiKeysTable from '../../src/store/tables/api-keys-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertInbox } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

test('pages are newest first, and one query reads the addresses of all inboxes', async () => {
  await using store = await openTestStore()
  const ids = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    for (const [id, createdAt] of [
      ['a', 1],
      ['b', 2],
      ['c', 2],
      ['d', 3],
    ] as const) {
      await tx
        .insertInto('api_keys')
        .values({
          id,
          ...ids,
          kind: 'bearer',
          name: id,
          prefix: id,
          key_hash: id,
          is_root: 0,
          created_by: 'system:test',
          created_at: createdAt,
          updated_at: createdAt,
        })
        .execute()
    }
    return ids
  })
  const { counted, statements } = countStatements(store)
  const apiKeys = createApiKeys({
    store: counted,
    random: randomBytes,
    clock: Date.now,
    limits: withLimits(),
    keyRevoked: () => undefined,
  })
  const actor: KeyActor = { kind: 'key', apiKeyId: 'a', organizationId: ids.organization_id }
  const within = { inbox: ids.inbox_id }

  const first = await apiKeys.list(actor, within, { limit: 2 })
  expect(first.items.map(({ id }) => id)).toEqual(['d', 'c'])
  expect(first.items[0]).toMatchObject({ inboxId: ids.inbox_id, inboxAddress: expect.stringMatching(/^ada@/) })
  expect(statements).toEqual({ inboxes: 2, api_keys: 1 }) // the inbox of the call, and the addresses

  const pageToken = first.nextPageToken!
  const second = await apiKeys.list(actor, within, { limit: 2, pageToken })
  expect(second.items.map(({ id }) => id)).toEqual(['b', 'a'])
  expect(second).not.toHaveProperty('nextPageToken')
  const ascending = await apiKeys.list(actor, within, { ascending: true })
  expect(ascending.items.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
  await expect(apiKeys.list(actor, {}, { pageToken })).rejects.toMatchObject({ code: 'invalid_page_token' })
})

test('a use of a key while the last ones are written is written with the next ones', async () => {
  await using store = await openTestStore()
  await store.transaction(async (tx) => {
    const { organization_id, pod_id } = await insertInbox(tx)
    const times = { expires_at: null, used_at: null, created_at: 1, updated_at: 1 }
    await apiKeysTable.insert(tx, {
      ...{ id: 'key', kind: 'bearer', organization_id, pod_id, inbox_id: null, name: 'key', is_root: 0 },
      ...{ ...keyColumns('secret'), permissions: null, created_by: 'system:test', ...times },
    })
  })
  const usedAt = async () => (await apiKeysTable.getById(store.db, 'key'))!.used_at
  let now = 1_000
  let meanwhile: () => Promise<unknown> = async () => undefined
  const transaction = (async (run) => {
    const result = await store.transaction(run)
    await meanwhile()
    return result
  }) as Store['transaction']
  const credentials = createCredentials({
    store: { ...store, transaction },
    clock: () => now,
    requestRates: { count: async () => undefined },
  })
  await credentials.authenticate('secret')
  meanwhile = () => {
    now = 2_000
    return credentials.authenticate('secret')
  }
  await credentials.flushUses()
  expect(await usedAt()).toBe(1_000)
  await credentials.flushUses()
  expect(await usedAt()).toBe(2_000)
})
