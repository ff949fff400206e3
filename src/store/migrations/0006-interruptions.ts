/** Work that was claimed and ended without an outcome is counted (docs/adr/0022). */
import type { Migration } from './migration.ts'

export const interruptions: Migration = {
  number: 6,
  name: 'interruptions',
  statements: ({ integer }) =>
    ['recipients', 'jobs', 'webhook_deliveries'].map(
      (table) => `alter table ${table} add column interruptions ${integer} not null default 0`,
    ),
}
