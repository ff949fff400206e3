/**
 * Records the id of the event at the log's end and at its floor. They show whether a log was restored from a backup and
 * then continued (docs/adr/0020).
 */
import type { Migration } from './migration.ts'

export const logEnds: Migration = {
  number: 3,
  name: 'log ends',
  statements: ({ text }) => [
    `alter table event_log add column last_event_id ${text}`,
    `alter table event_log add column floor_event_id ${text}`,
    `update event_log set last_event_id = (select event_id from events where seq = last_seq)`,
  ],
}
