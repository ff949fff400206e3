/**
 * The first schema: every table of ../schema/schema.ts. Until the first release, changes of the schema edit this
 * migration, and a database of an earlier development version is rejected (migrate.ts).
 *
 * Indexes serve keyset lists (scope, sort key, id) and contain `hidden`, so that a page skips spam and trash without
 * reading their rows. Foreign keys exist where a row would be wrong without its owner; link tables and lists are
 * deleted with the owner (cascade). They are checked at once, never deferred: a violation must fail its own statement,
 * not the commit of a whole group.
 */
import { accountTables } from './initial/create-accounts.ts'
import { draftTables } from './initial/create-drafts.ts'
import { eventTables } from './initial/create-events.ts'
import { jobTables } from './initial/create-jobs.ts'
import { listTables } from './initial/create-lists.ts'
import { mailboxTables } from './initial/create-mailboxes.ts'
import { messageTables } from './initial/create-messages.ts'
import { reportTables } from './initial/create-reports.ts'
import { sendingTables } from './initial/create-sending.ts'
import { tenantTables } from './initial/create-tenants.ts'
import { uploadTables } from './initial/create-uploads.ts'
import { webhookTables } from './initial/create-webhooks.ts'
import type { Migration } from './migration.ts'

const tables = [
  ...[eventTables, tenantTables, listTables, messageTables],
  ...[sendingTables, draftTables, uploadTables, jobTables, mailboxTables, webhookTables, reportTables, accountTables],
]

export const initial: Migration = {
  number: 1,
  name: 'initial',
  statements: (ddl) => tables.flatMap((create) => create(ddl)),
}
