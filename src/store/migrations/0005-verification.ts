/** What a mail asks its reader to prove (formats/verification.ts) is kept beside what else was read from it. */
import type { Migration } from './migration.ts'

export const verification: Migration = {
  number: 5,
  name: 'verification',
  // Null in contents that are older: reading all of their bodies here would keep a large server down for hours.
  statements: ({ text }) => [`alter table contents add column verification ${text}`],
}
