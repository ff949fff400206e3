/** The list of API keys, page by page, and the number of queries that a page needs. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createApiKeys } from '../../src/mail/access/keys/api-keys.ts'
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
