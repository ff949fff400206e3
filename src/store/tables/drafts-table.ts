/**
 * Queries for drafts, their labels, parts and revisions; scheduled-drafts-table.ts finds those that are due. Rows only:
 * mail/sending/drafts decides. Drafts of an inbox that is being deleted are hidden unless stated.
 */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db, LeaseTime, Tx } from '../handles.ts'
import { isFree, isLeased } from '../leases.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { DraftPartRow, DraftRevisionRow, DraftRow } from '../schema/draft-rows.ts'
import { conjunction, narrowest, type ScopeIds } from './conditions.ts'
import { type Keyset, onePage } from './keyset.ts'
import type { ScannedRow } from './message-scans-table.ts'

/** A draft, and whether it is under a lease: it is being sent. */
export type LeasedDraftRow = DraftRow & { readonly is_leased: number }

const ofInboxNotDeleting = sql<SqlBool>`not exists (select 1 from inboxes
  where inboxes.id = drafts.inbox_id and inboxes.deleting_at is not null)`

function leased(db: Db, leaseNow: LeaseTime) {
  return db.selectFrom('drafts').selectAll().select(isLeased(leaseNow).as('is_leased'))
}

export async function get(
  db: Db,
  scope: ScopeIds,
  id: string,
  leaseNow: LeaseTime,
): Promise<LeasedDraftRow | undefined> {
  const { column, id: scopeId } = narrowest(scope)
  return leased(db, leaseNow)
    .where('id', '=', id)
    .where(column, '=', scopeId)
    .where(ofInboxNotDeleting)
    .executeTakeFirst()
}

export async function getByClientId(
  db: Db,
  inboxId: string,
  clientId: string,
  leaseNow: LeaseTime,
): Promise<LeasedDraftRow | undefined> {
  return leased(db, leaseNow).where('inbox_id', '=', inboxId).where('client_id', '=', clientId).executeTakeFirst()
}

export async function listByIds(db: Db, ids: readonly string[], leaseNow: LeaseTime): Promise<LeasedDraftRow[]> {
  if (ids.length === 0) return []
  return leased(db, leaseNow).where('id', 'in', ids).execute()
}

/** Returns the draft of an inbox whose current revision has this Message-ID. */
export async function getByMessageId(
  db: Db,
  inboxId: string,
  messageIdHash: string,
  leaseNow: LeaseTime,
): Promise<LeasedDraftRow | undefined> {
  const revisionIds = db.selectFrom('draft_revisions').select('id').where('message_id_hash', '=', messageIdHash)
  return leased(db, leaseNow)
    .where('inbox_id', '=', inboxId)
    .where('revision_id', 'in', revisionIds)
    .limit(1)
    .executeTakeFirst()
}

/** Returns the drafts whose current revision is one of these. */
export async function listByRevisions(
  db: Db,
  revisionIds: readonly string[],
  leaseNow: LeaseTime,
): Promise<LeasedDraftRow[]> {
  if (revisionIds.length === 0) return []
  const draftIds = db.selectFrom('draft_revisions').select('draft_id').where('id', 'in', revisionIds)
  return leased(db, leaseNow).where('id', 'in', draftIds).where('revision_id', 'in', revisionIds).execute()
}

/** Whether an inbox has at least `count` drafts. It reads no more than these. */
export async function hasAtLeast(db: Db, inboxId: string, count: number): Promise<boolean> {
  const row = await db
    .selectFrom('drafts')
    .select('id')
    .where('inbox_id', '=', inboxId)
    .orderBy('updated_at')
    .orderBy('id')
    .offset(count - 1)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export interface DraftCriteria {
  readonly scope: ScopeIds
  readonly labels: readonly string[]
  /** Compared with `updated_at`, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Reads drafts by the time of their last change, in the same way as message-scans-table.ts reads messages. */
export async function scan(db: Db, criteria: DraftCriteria, keyset: Keyset): Promise<ScannedRow[]> {
  return preparedScan(db, { criteria, keyset })
}

const preparedScan = prepareQuery((db, { criteria, keyset }: { criteria: DraftCriteria; keyset: Keyset }) => {
  const { scope, before, after } = criteria
  return db
    .selectFrom('drafts')
    .select(['id', 'updated_at as sortKey', sql<unknown>`${conjunction(matchers(criteria))}`.as('matches')])
    .where(narrowest(scope).column, '=', narrowest(scope).id)
    .$if(before !== undefined, (query) => query.where('updated_at', '<', before!))
    .$if(after !== undefined, (query) => query.where('updated_at', '>', after!))
    .$call((query) => onePage(query, 'updated_at', keyset))
})

/** The label `scheduled` has no row: it follows from the state. */
function matchers({ labels }: DraftCriteria): Expression<SqlBool>[] {
  return [
    ofInboxNotDeleting,
    ...labels.map(
      (label) => sql<SqlBool>`(exists (select 1 from draft_labels
        where draft_labels.draft_id = drafts.id and draft_labels.label = ${label})
        or (drafts.send_status = 'scheduled' and ${label} = 'scheduled'))`,
    ),
  ]
}

export async function insert(tx: Tx, row: DraftRow): Promise<void> {
  await tx.insertInto('drafts').values(row).execute()
}

/** Changes a draft that its caller has locked with the inbox, and ends any lease: a late sender must not send it. */
export async function update(
  tx: Tx,
  id: string,
  change: Partial<Omit<DraftRow, 'id' | 'lease_owner' | 'lease_until'>>,
): Promise<void> {
  await tx
    .updateTable('drafts')
    .set({ ...change, lease_owner: null, lease_until: null, updated_at: tx.now })
    .where('id', '=', id)
    .execute()
}

/** Puts a draft under a lease, if it is under none. @returns whether it was */
export async function claim(tx: Tx, id: string, owner: string, untilMs: LeaseTime): Promise<boolean> {
  const claimed = await tx
    .updateTable('drafts')
    .set({ lease_owner: owner, lease_until: untilMs })
    .where('id', '=', id)
    .where(isFree(tx.leaseNow))
    .returning('id')
    .executeTakeFirst()
  return claimed !== undefined
}

/**
 * Writes the outcome of an attempt that did not send it, and ends the lease, if the owner still has it.
 *
 * @returns whether it had
 */
export async function endLease(
  tx: Tx,
  id: string,
  owner: string,
  change: Partial<Pick<DraftRow, 'send_status' | 'send_error' | 'next_attempt_at' | 'updated_at'>> = {},
): Promise<boolean> {
  const ended = await tx
    .updateTable('drafts')
    .set({ ...change, lease_owner: null, lease_until: null, interruptions: 0 })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .returning('id')
    .executeTakeFirst()
  return ended !== undefined
}

/**
 * Deletes a draft with its labels, parts and revisions.
 *
 * @param owner deletes it only while this owner has the lease; undefined: in any case
 * @returns ids of contents that may be unused now; undefined if it was not deleted
 */
export async function remove(tx: Tx, id: string, owner?: string): Promise<string[] | undefined> {
  const contentIds = await contentIdsOf(tx, id)
  const removed = await tx
    .deleteFrom('drafts')
    .where('id', '=', id)
    .$if(owner !== undefined, (query) => query.where('lease_owner', '=', owner!))
    .returning('id')
    .executeTakeFirst()
  return removed && contentIds
}

/** Lists some drafts of an inbox, also of one that is being deleted. */
export async function listIdsOfInbox(db: Db, inboxId: string, limit: number): Promise<string[]> {
  const rows = await db.selectFrom('drafts').select('id').where('inbox_id', '=', inboxId).limit(limit).execute()
  return rows.map(({ id }) => id)
}

async function contentIdsOf(db: Db, draftId: string): Promise<string[]> {
  const parts = await db.selectFrom('draft_parts').select('content_id').where('draft_id', '=', draftId).execute()
  const revisions = await db
    .selectFrom('draft_revisions')
    .select('content_id')
    .where('draft_id', '=', draftId)
    .execute()
  return [...parts, ...revisions].map((row) => row.content_id)
}

/** Lists some drafts of an inbox with their current revision, in the order of their creation. */
export async function listRevisionsAfter(
  db: Db,
  inboxId: string,
  afterId: string,
  limit: number,
): Promise<Pick<DraftRow, 'id' | 'revision_id' | 'size_bytes'>[]> {
  return db
    .selectFrom('drafts')
    .select(['id', 'revision_id', 'size_bytes'])
    .where('inbox_id', '=', inboxId)
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** As listRevisionsAfter, of those drafts whose current revision is one of these. */
export async function listCurrentRevisions(
  db: Db,
  inboxId: string,
  revisionIds: readonly string[],
): Promise<Pick<DraftRow, 'id' | 'revision_id' | 'size_bytes'>[]> {
  const found: Pick<DraftRow, 'id' | 'revision_id' | 'size_bytes'>[] = []
  for (const some of portionsOf(revisionIds)) {
    const rows = await db
      .selectFrom('draft_revisions')
      .innerJoin('drafts', 'drafts.id', 'draft_revisions.draft_id')
      .select(['drafts.id', 'drafts.revision_id', 'drafts.size_bytes'])
      .where('draft_revisions.id', 'in', some)
      .whereRef('drafts.revision_id', '=', 'draft_revisions.id')
      .where('drafts.inbox_id', '=', inboxId)
      .execute()
    for (const row of rows) found.push(row)
  }
  return found
}

/** Values in one statement. SQLite has at most 32,766. */
const LISTED_AT_ONCE = 1_000

function* portionsOf<Value>(list: readonly Value[]): Generator<readonly Value[]> {
  for (let at = 0; at < list.length; at += LISTED_AT_ONCE) yield list.slice(at, at + LISTED_AT_ONCE)
}

// Labels

export async function labelsOf(db: Db, draftIds: readonly string[]): Promise<Map<string, string[]>> {
  const byDraft = new Map<string, string[]>()
  for (const some of portionsOf(draftIds)) {
    const rows = await db
      .selectFrom('draft_labels')
      .selectAll()
      .where('draft_id', 'in', some)
      .orderBy('draft_id')
      .orderBy('label')
      .execute()
    for (const { draft_id, label } of rows) byDraft.set(draft_id, [...(byDraft.get(draft_id) ?? []), label])
  }
  return byDraft
}

/** Replaces the labels of a draft. */
export async function setLabels(tx: Tx, draftId: string, labels: readonly string[]): Promise<void> {
  await tx.deleteFrom('draft_labels').where('draft_id', '=', draftId).execute()
  if (labels.length === 0) return
  const rows = labels.map((label) => ({ draft_id: draftId, label }))
  await tx.insertInto('draft_labels').values(rows).execute()
}

// Parts and revisions

/** Lists the parts of drafts: text and HTML, and the attachments in their order. */
export async function listParts(db: Db, draftIds: readonly string[]): Promise<DraftPartRow[]> {
  if (draftIds.length === 0) return []
  return db
    .selectFrom('draft_parts')
    .selectAll()
    .where('draft_id', 'in', draftIds)
    .orderBy('draft_id')
    .orderBy('position')
    .orderBy('id')
    .execute()
}

export async function getAttachment(db: Db, draftId: string, id: string): Promise<DraftPartRow | undefined> {
  return db
    .selectFrom('draft_parts')
    .selectAll()
    .where('id', '=', id)
    .where('draft_id', '=', draftId)
    .where('kind', '=', 'attachment')
    .executeTakeFirst()
}

export async function insertParts(tx: Tx, rows: readonly DraftPartRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto('draft_parts')
    .values([...rows])
    .execute()
}

/** @returns ids of contents that may be unused now */
export async function removeParts(tx: Tx, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await tx.deleteFrom('draft_parts').where('id', 'in', ids).returning('content_id').execute()
  return rows.map((row) => row.content_id)
}

export async function insertRevision(tx: Tx, row: DraftRevisionRow): Promise<void> {
  await tx.insertInto('draft_revisions').values(row).execute()
}

/**
 * Deletes the revisions of a draft but the given one. A mail program gets nothing for one that it still shows, as for any
 * message that has vanished.
 *
 * @returns ids of contents that may be unused now
 */
export async function removeReplacedRevisions(tx: Tx, draftId: string, currentId: string): Promise<string[]> {
  const rows = await tx
    .deleteFrom('draft_revisions')
    .where('draft_id', '=', draftId)
    .where('id', '!=', currentId)
    .returning('content_id')
    .execute()
  return rows.map((row) => row.content_id)
}
