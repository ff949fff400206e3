/** Queries for sign-ups. Rows only: mail/accounts decides. */
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { SignUpRow } from '../schema/account-rows.ts'

const byOrganization = prepareQuery((db, { organizationId }: { organizationId: string }) =>
  db.selectFrom('sign_ups').selectAll().where('organization_id', '=', organizationId),
)

export async function get(db: Db, organizationId: string): Promise<SignUpRow | undefined> {
  const [row] = await byOrganization(db, { organizationId })
  return row
}

/** A column for a select of inboxes: 1 if the organization was created by a sign-up, and its human is not verified. */
export const isUnverified = `coalesce((select 1 from sign_ups
  where sign_ups.organization_id = inboxes.organization_id and sign_ups.verified_at is null
), 0) as is_unverified`

/** Reads the row and locks it until the commit, before a change. */
export async function lock(tx: Tx, organizationId: string): Promise<SignUpRow | undefined> {
  return tx
    .forUpdate(tx.selectFrom('sign_ups'))
    .selectAll()
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
}

export async function getByHuman(db: Db, humanEmail: string): Promise<SignUpRow | undefined> {
  return db.selectFrom('sign_ups').selectAll().where('human_email', '=', humanEmail).executeTakeFirst()
}

/** The same, and locks the row. */
export async function lockByHuman(tx: Tx, humanEmail: string): Promise<SignUpRow | undefined> {
  return tx.forUpdate(tx.selectFrom('sign_ups')).selectAll().where('human_email', '=', humanEmail).executeTakeFirst()
}

export async function insert(tx: Tx, row: SignUpRow): Promise<void> {
  await tx.insertInto('sign_ups').values(row).execute()
}

export async function update(
  tx: Tx,
  organizationId: string,
  change: Partial<Omit<SignUpRow, 'organization_id' | 'created_at'>>,
): Promise<void> {
  await tx
    .updateTable('sign_ups')
    .set({ ...change, updated_at: tx.now })
    .where('organization_id', '=', organizationId)
    .execute()
}

/** The code that this submission mailed has expired: it did not arrive. */
export async function expireCode(tx: Tx, submissionId: string): Promise<void> {
  await tx
    .updateTable('sign_ups')
    .set({ code_expires_at: tx.now, updated_at: tx.now })
    .where('code_submission_id', '=', submissionId)
    .execute()
}
