/**
 * Tests row locks between two servers: one locks a row, the other waits. The second server's statement must appear as
 * waiting for a lock in pg_stat_activity, and continue when the first has committed.
 */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { assertKeyUnchanged, lockInbox } from '../../../src/mail/access/access.ts'
import type { Actor } from '../../../src/mail/access/actor.ts'
import type { Tx } from '../../../src/store/handles.ts'
import { rowStep } from '../../../src/store/row-statements.ts'
import * as apiKeys from '../../../src/store/tables/api-keys-table.ts'
import * as domains from '../../../src/store/tables/domains-table.ts'
import * as idempotency from '../../../src/store/tables/idempotency-table.ts'
import * as inboxes from '../../../src/store/tables/inboxes-table.ts'
import * as secrets from '../../../src/store/tables/secrets-table.ts'
import { selectEvenIfDeleting } from '../../../src/store/tables/sender-inboxes-table.ts'
import * as tenants from '../../../src/store/tables/tenants-table.ts'
import { administrate } from '../../support/test-database.ts'
import { type InboxIds, insertInbox } from '../rows.ts'
import { databaseUrlOf, deferred, openTestStore, temporaryFolder } from '../test-store.ts'

interface Rows extends InboxIds {
  readonly domain_id: string
  readonly key: Actor & { readonly kind: 'key' }
}
type Act = (tx: Tx, rows: Rows) => Promise<unknown>

const system: Actor = { kind: 'system', name: 'test' }

test.each<[what: string, holds: Act, waits: Act]>([
  [
    'a key cannot be deleted while a transaction acts with it',
    (tx, { key }) => assertKeyUnchanged(tx, key),
    (tx, { key }) => apiKeys.remove(tx, key.apiKeyId),
  ],
  [
    'the permissions of a key cannot change while a transaction acts with it',
    (tx, { key }) => assertKeyUnchanged(tx, key),
    (tx, { key }) => apiKeys.update(tx, key.apiKeyId, { permissions: '[]' }),
  ],
  [
    'only one server at a time stores mail in an inbox',
    (tx, { inbox_id }) => lockInbox(tx, system, 'message_send', inbox_id),
    (tx, { inbox_id }) => lockInbox(tx, system, 'message_send', inbox_id),
  ],
  [
    'an inbox cannot be deleted while mail is stored in it',
    (tx, { inbox_id }) => lockInbox(tx, system, 'message_send', inbox_id),
    (tx, { inbox_id }) => inboxes.update(tx, inbox_id, { deleting_at: tx.now }),
  ],
  [
    'an outcome waits while the mail of a deleted inbox is removed',
    (tx, { inbox_id }) => inboxes.lockEvenIfDeleting(tx, inbox_id),
    (tx, { inbox_id }) => tx.runRows([rowStep(selectEvenIfDeleting, [{ id: inbox_id }])]),
  ],
  [
    'a pod cannot be deleted while a key is created in it',
    (tx, { pod_id }) => tenants.shareLockPod(tx, pod_id),
    (tx, { pod_id }) => tenants.lockPod(tx, pod_id),
  ],
  [
    'a pod cannot be deleted while an inbox is created in it',
    (tx, { pod_id }) => tenants.lockPod(tx, pod_id),
    (tx, { pod_id }) => tenants.lockPod(tx, pod_id),
  ],
  [
    'servers that start at the same time prepare the database one after the other',
    (tx, { domain_id }) => domains.lockById(tx, domain_id),
    (tx, { domain_id }) => domains.lockById(tx, domain_id),
  ],
  [
    'an idempotency key with an expired lease is taken over by one server only',
    (tx) => idempotency.lock(tx, 'inbox', 'known'),
    (tx) => idempotency.lock(tx, 'inbox', 'known'),
  ],
])('%s', async (_what, holds, waits) => {
  await using nodes = await startNodes()
  const [isHeld, mayEnd] = [deferred(), deferred()]
  const holding = nodes.one.transaction(async (tx) => {
    await holds(tx, nodes.rows)
    isHeld.resolve()
    await mayEnd.promise
  })
  await isHeld.promise
  const waiting = nodes.two.transaction((tx) => waits(tx, nodes.rows))
  const isWaiting = async () => {
    const { rows } = await administrate(
      nodes.url,
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows[0].count as number
  }
  await expect.poll(isWaiting).toBe(1)
  mayEnd.resolve()
  await Promise.all([holding, waiting])
})

test('two servers that create or replace a secret at the same time end with the same value', async () => {
  await using nodes = await startNodes()
  const name = randomUUID()
  const put = (store: typeof nodes.one, known: string | undefined, value: string) =>
    store.transaction((tx) => secrets.replace(tx, 'tls', name, { known, value }))
  const [one, two] = await Promise.all([put(nodes.one, undefined, 'of one'), put(nodes.two, undefined, 'of two')])
  expect(one).toBe(two)
  const [three, four] = await Promise.all([put(nodes.one, one, 'again of one'), put(nodes.two, one, 'again of two')])
  expect(three).toBe(four)
  expect(three).toContain('again')
})

async function startNodes() {
  const folder = await temporaryFolder()
  const [one, two] = [await openTestStore({ dataDir: folder.path }), await openTestStore({ dataDir: folder.path })]
  const rows = await one.transaction(async (tx): Promise<Rows> => {
    const ids = await insertInbox(tx)
    const { domain_id } = (await inboxes.getById(tx, ids.inbox_id))!
    const id = tx.newId()
    const times = { created_at: tx.now, updated_at: tx.now }
    await apiKeys.insert(tx, {
      ...{ id, kind: 'bearer', organization_id: ids.organization_id, pod_id: null, inbox_id: null, name: 'key' },
      ...{
        prefix: '',
        key_hash: id,
        permissions: null,
        is_root: 0,
        created_by: 'test',
        expires_at: null,
        used_at: null,
      },
      ...times,
    })
    await idempotency.insert(tx, {
      ...{ inbox_id: 'inbox', key: 'known', scope_id: 'organization', fingerprint: '', state: 'running' },
      ...{ lease_until: 1, result: null, created_at: 1, completed_at: null },
    })
    return { ...ids, domain_id, key: { kind: 'key', apiKeyId: id, organizationId: ids.organization_id } }
  })
  return {
    one,
    two,
    rows,
    url: databaseUrlOf(folder.path)!,
    async [Symbol.asyncDispose]() {
      await Promise.all([one.close(), two.close()])
      await folder[Symbol.asyncDispose]()
    },
  }
}
