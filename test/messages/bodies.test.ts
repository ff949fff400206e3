/** Tests that messages are loaded into memory that the caller provides, and that they may change while it waits. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { headersOf, showBounded, showWhole } from '../../src/mail/messages/content/bodies.ts'
import { compressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import { listByIds } from '../../src/store/tables/messages-table.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

test('a message that is hidden or deleted while its reader waits for memory is not shown', async () => {
  await using store = await openTestStore()
  const { bytes, sizeBytes, headBytes } = compressBodies({ headers: [], text: 'x'.repeat(1_000_000) })
  const ids = await store.transaction(async (tx) => {
    const inbox = await insertInbox(tx)
    const key = {
      ...({ id: 'key', kind: 'bearer', name: 'key', prefix: 'am_us', key_hash: 'hash' } as const),
      is_root: 0,
    }
    const times = { created_by: 'system:test', created_at: tx.now, updated_at: tx.now }
    const { organization_id } = inbox
    const permissions = JSON.stringify(['message_read'])
    await tx
      .insertInto('api_keys')
      .values({ ...key, organization_id, permissions, ...times })
      .execute()
    const messages = [await insertMessage(tx, inbox), await insertMessage(tx, inbox), await insertMessage(tx, inbox)]
    const sizes = { parsed_size_bytes: sizeBytes, parsed_head_bytes: headBytes }
    await tx
      .updateTable('contents')
      .set({ parsed: bytes, ...sizes })
      .execute()
    return messages.map(({ id }) => id)
  })
  const rows = await listByIds(store.db, ids)
  const permissions = new Set(['message_read'] as const)
  const reader: KeyActor = { kind: 'key', apiKeyId: 'key', organizationId: rows[0]!.organization_id, permissions }
  const reserved: number[] = []
  const show = (whileItWaits?: () => Promise<unknown>) =>
    showWhole({ store, limits: withLimits() }, reader, rows, {
      freeBytes: 1_000,
      nextTurn: async () => undefined,
      async reserve(reservedBytes) {
        reserved.push(reservedBytes)
        await whileItWaits?.()
        return whileItWaits !== undefined
      },
    })

  expect((await show()).map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
  const [hidden, deleted, kept] = rows.map(({ id }) => id)
  const changed = await show(() =>
    store.transaction(async (tx) => {
      await tx.updateTable('messages').set({ hidden: 8 }).where('id', '=', hidden!).execute()
      await tx.deleteFrom('messages').where('id', '=', deleted!).execute()
    }),
  )
  expect(changed).toMatchObject([{ id: kept, text: 'x'.repeat(1_000_000) }])
  expect(reserved).toEqual([3 * sizeBytes, 3 * sizeBytes])
})

// Events found a lost file as an unknown message.
test('bodies whose file is lost are damaged for all that read them', async () => {
  await using store = await openTestStore()
  const { id } = await store.transaction(async (tx) => {
    const message = await insertMessage(tx, await insertInbox(tx))
    const sizes = { parsed_size_bytes: 10, parsed_head_bytes: 0 }
    await tx
      .updateTable('contents')
      .set({ parsed_blob_key: 'a'.repeat(32), ...sizes })
      .execute()
    return message
  })
  const [row] = await listByIds(store.db, [id])
  const reader: KeyActor = { kind: 'key', apiKeyId: 'key', organizationId: row!.organization_id }
  const memory = { freeBytes: 1_000, reserve: async () => false, nextTurn: async () => undefined }
  const source = { store, limits: withLimits() }
  await expect(showWhole(source, reader, [row!], memory)).rejects.toThrow(DamagedContent)
  await expect(showBounded(source, [row!], 1_000)).rejects.toThrow(DamagedContent)
  await expect(headersOf(source, row!)).rejects.toThrow(DamagedContent)
})
