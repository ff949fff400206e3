/**
 * Appends the events of a commit (../commit/append-events.ts) in up to three statements whose results nobody needs, so that they
 * are sent together with the commit. PostgreSQL computes the numbers itself: `position` counts the events from 1.
 */
import { entriesOfEvents, lastLabelChanges, type UnnumberedEvent } from '../commit/append-events.ts'
import { UNNUMBERED_COLUMNS } from '../tables/events-table.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { givenRows } from './postgres-row-statements.ts'

const names = Object.keys(UNNUMBERED_COLUMNS) as (keyof typeof UNNUMBERED_COLUMNS)[]

const APPEND = `with log as (
    update event_log set last_seq = last_seq + $1::bigint, last_event_id = $2::text returning last_seq - $1::bigint as before
  )
  insert into events (seq, ${names.join(', ')})
  select log.before + given.position, ${names.map((name) => `given.${name}`).join(', ')}
  from log, ${givenRows({ position: 'bigint', ...UNNUMBERED_COLUMNS }, 3)}`

const SET_LABELS_SEQS = `update messages set labels_seq = event_log.last_seq - $1::bigint + given.position
  from event_log, ${givenRows({ id: 'text', position: 'bigint' }, 2)} where messages.id = given.id`

const SET_ENTRY_MODSEQS = `update mailbox_entries set modseq = event_log.last_seq - $1::bigint + given.position
  from event_log, ${givenRows({ mailbox_id: 'text', uid: 'bigint', position: 'bigint' }, 2)}
  where mailbox_entries.mailbox_id = given.mailbox_id and mailbox_entries.uid = given.uid`

/** Sends the statements before it returns. */
export async function appendEvents(connection: PostgresConnection, events: readonly UnnumberedEvent[]): Promise<void> {
  if (events.length === 0) return
  const changed = [...lastLabelChanges(events)]
  const entries = entriesOfEvents(events)
  await Promise.all([
    connection.query(APPEND, [
      events.length,
      events.at(-1)!.event_id,
      events.map((_event, index) => index + 1),
      ...names.map((name) => events.map((event) => event[name])),
    ]),
    ...(changed.length > 0
      ? [
          connection.query(SET_LABELS_SEQS, [
            events.length,
            changed.map(([id]) => id),
            changed.map(([, index]) => index + 1),
          ]),
        ]
      : []),
    ...(entries.length > 0
      ? [
          connection.query(SET_ENTRY_MODSEQS, [
            events.length,
            entries.map(({ mailbox_id }) => mailbox_id),
            entries.map(({ uid }) => uid),
            entries.map(({ index }) => index + 1),
          ]),
        ]
      : []),
  ])
}
