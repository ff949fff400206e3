/** Queries for the idempotency keys of received messages. Rows only: mail/receiving decides what they mean. */
import { sql } from 'kysely'
import type { Tx } from '../handles.ts'
import { insertRows, selectRows } from '../row-statements.ts'
import type { ReceivedKeyRow } from '../schema/message-rows.ts'
import { limitTo } from './conditions.ts'

type KeyName = Pick<ReceivedKeyRow, 'inbox_id' | 'key_hash'>

/** Returns those keys that were used since a time, epoch ms. */
export const selectUsed = selectRows<KeyName & { readonly since: number }, KeyName>(
  { inbox_id: 'text', key_hash: 'text', since: 'bigint' },
  `select inbox_id, key_hash from received_keys
    where inbox_id = :inbox_id and key_hash = :key_hash and created_at > :since`,
)

export const record = insertRows(
  'received_keys',
  { inbox_id: 'text', key_hash: 'text', created_at: 'bigint' },
  { columns: ['inbox_id', 'key_hash'], set: ['created_at'] },
)

/** Deletes keys that were used before a time, epoch ms. @returns how many, at most `limit` */
export async function removeOlderThan(tx: Tx, timeMs: number, limit: number): Promise<number> {
  const old = sql`(select inbox_id, key_hash from received_keys where created_at < ${timeMs} ${limitTo(limit)})`
  const rows = await tx
    .deleteFrom('received_keys')
    .where(sql<boolean>`(inbox_id, key_hash) in ${old}`)
    .returning('key_hash')
    .execute()
  return rows.length
}
