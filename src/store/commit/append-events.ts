/**
 * The event log at commit: events are numbered (`seq`) just before it, so that seq order is commit order and a reader skips
 * no event.
 *
 * The only row of `event_log` is the lock: a transaction that has taken numbers keeps the row locked until its commit,
 * and the next node waits for it. Each writer appends in its own way, because PostgreSQL can do it without a round trip.
 */
import type { EntryKey, Tx } from '../handles.ts'
import type { EventRow } from '../schema/event-rows.ts'

/** An event that has no `seq` yet. */
export type UnnumberedEvent = Omit<EventRow, 'seq'> & {
  readonly changesLabels?: true
  readonly entries?: readonly EntryKey[]
}

/** Returns, for each message whose labels changed, the index of the last event that says so. A new message has none. */
export function lastLabelChanges(events: readonly UnnumberedEvent[]): Map<string, number> {
  const last = new Map<string, number>()
  for (const [index, { message_id, changesLabels }] of events.entries()) {
    if (changesLabels && message_id !== null) last.set(message_id, index)
  }
  return last
}

/** Returns the entries of mailboxes that events name, each once, with the index of its last event. Most events name none. */
export function entriesOfEvents(events: readonly UnnumberedEvent[]): (EntryKey & { readonly index: number })[] {
  const last = new Map<string, EntryKey & { readonly index: number }>()
  for (const [index, { entries = [] }] of events.entries()) {
    for (const { mailbox_id, uid } of entries) last.set(`${mailbox_id} ${uid}`, { mailbox_id, uid, index })
  }
  return [...last.values()]
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
