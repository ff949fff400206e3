/** Adds a column for the verification codes and links of a mail (formats/verification/verification.ts), beside its parsed form. */
import type { Migration } from './migration.ts'

export const verification: Migration = {
  number: 5,
  name: 'verification',
  // Null in older contents: reading all their bodies here would keep a large server down for hours.
  statements: ({ text }) => [`alter table contents add column verification ${text}`],
}
