/**
 * Numbers the events (`seq`) just before the commit, so that seq order is commit order and a reader skips no event.
 *
 * The only row of `event_log` is the lock: a transaction that has taken numbers keeps the row locked until its commit,
 * and the next node waits for it.
 */
import type { Kysely } from 'kysely'
import type { Tx } from '../handles.ts'
import type { Schema } from '../schema/schema.ts'
import type { UnnumberedEvent } from './transaction.ts'

/** Rows per insert: below each database's limit on parameters, and few distinct statements. */
const INSERT_ROWS_MAX = 100

/**
 * Numbers and inserts the events that a group has buffered, in order, and sets the MODSEQ of the messages they concern.
 *
 * @param handle the group's transaction, after its last member
 */
export async function appendEvents(handle: Kysely<Schema>, events: readonly UnnumberedEvent[]): Promise<void> {
  if (events.length === 0) return
  const { last_seq } = await handle
    .updateTable('event_log')
    .set((eb) => ({ last_seq: eb('last_seq', '+', events.length), last_event_id: events.at(-1)!.event_id }))
    .returning('last_seq')
    .executeTakeFirstOrThrow()
  const firstSeq = last_seq - events.length + 1
  const rows = events.map((event, index) => ({ seq: firstSeq + index, ...event }))

  for (let start = 0; start < rows.length; start += INSERT_ROWS_MAX) {
    await handle
      .insertInto('events')
      .values(rows.slice(start, start + INSERT_ROWS_MAX))
      .execute()
  }

  const modseqs = new Map<string, number>()
  for (const row of rows) if (row.message_id !== null) modseqs.set(row.message_id, row.seq) // the last one wins
  for (const [id, modseq] of modseqs) {
    await handle.updateTable('messages').set({ modseq }).where('id', '=', id).execute()
  }
}

/** Creates the row of the log if it does not exist. @returns the epoch of the log */
export async function openEventLog(tx: Tx, newEpoch: string): Promise<string> {
  await tx
    .insertInto('event_log')
    .values({ id: 1, epoch: newEpoch, last_seq: 0, last_event_id: null, floor_seq: 0, floor_event_id: null })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
  const { epoch } = await tx.selectFrom('event_log').select('epoch').executeTakeFirstOrThrow()
  return epoch
}
