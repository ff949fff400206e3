/** Queries that compare messages with the filters of a client. mail/messages/ decides how much they may read. */
import { type Expression, type SqlBool, sql } from 'kysely'
import type { Db } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { AddressKind } from '../schema/message-rows.ts'
import { hasAddress } from './addresses-table.ts'
import { conjunction, containing } from './conditions.ts'
import { type Keyset, onePage } from './keyset.ts'
import { ITEM_COLUMNS, type MessageItemRow, type StoredMessageRow } from './messages-table.ts'

export interface MessageCriteria {
  readonly inboxId: string
  /** Bits of the hidden classes to omit. */
  readonly hiddenMask: number
  readonly labels: readonly string[]
  /** Labels of which a message may have none. */
  readonly withoutLabels?: readonly string[] | undefined
  /** Epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly subject: readonly string[]
  /** A substring of the subject, the preview, or the address or name in From. */
  readonly text?: string | undefined
  /** Whether its sender was authenticated for a domain. */
  readonly isSenderVerified?: boolean | undefined
}

export interface ScannedRow {
  readonly id: string
  readonly sortKey: number
  /** Whether the row meets the criteria. A SQL boolean: 0, 1, true or false. */
  readonly matches: unknown
}

/**
 * Reads the next `keyset.limit` messages in order of time, each with a flag that says whether it meets the criteria.
 * The caller counts rows, so that a filter without matches ends in a short page, not in a scan of the whole inbox.
 */
export async function scan(db: Db, criteria: MessageCriteria, keyset: Keyset): Promise<ScannedRow[]> {
  const isSubstringFilter =
    criteria.from.length + criteria.to.length + criteria.subject.length > 0 || criteria.text !== undefined
  return isSubstringFilter ? scanQuery(db, criteria, keyset).execute() : preparedScan(db, { criteria, keyset })
}

const preparedScan = prepareQuery((db, { criteria, keyset }: { criteria: MessageCriteria; keyset: Keyset }) =>
  scanQuery(db, criteria, keyset),
)

/** The same for criteria without substrings, with the columns of lists: of a few rows, one statement takes less time than two. */
export async function scanItems(
  db: Db,
  criteria: MessageCriteria,
  keyset: Keyset,
): Promise<(ScannedRow & MessageItemRow)[]> {
  return preparedItems(db, { criteria, keyset })
}

const preparedItems = prepareQuery((db, { criteria, keyset }: { criteria: MessageCriteria; keyset: Keyset }) =>
  scannedRows(db, criteria, keyset).select(ITEM_COLUMNS),
)

function scanQuery(db: Db, criteria: MessageCriteria, keyset: Keyset) {
  return scannedRows(db, criteria, keyset).select('id')
}

function scannedRows(db: Db, criteria: MessageCriteria, keyset: Keyset) {
  return db
    .selectFrom('messages')
    .select(['timestamp as sortKey', sql<unknown>`${conjunction(matchers(criteria))}`.as('matches')])
    .where('inbox_id', '=', criteria.inboxId)
    .$if(criteria.before !== undefined, (query) => query.where('timestamp', '<', criteria.before!))
    .$if(criteria.after !== undefined, (query) => query.where('timestamp', '>', criteria.after!))
    .$call((query) => onePage(query, 'timestamp', keyset))
}

/** Returns those of the messages that meet the criteria, in any order. */
export async function listMatching(
  db: Db,
  criteria: MessageCriteria,
  ids: readonly string[],
): Promise<StoredMessageRow[]> {
  if (ids.length === 0) return []
  return db
    .selectFrom('messages')
    .selectAll()
    .where('inbox_id', '=', criteria.inboxId)
    .where('id', 'in', ids)
    .$if(criteria.before !== undefined, (query) => query.where('timestamp', '<', criteria.before!))
    .$if(criteria.after !== undefined, (query) => query.where('timestamp', '>', criteria.after!))
    .where(conjunction(matchers(criteria)))
    .execute()
}

function matchers(criteria: MessageCriteria): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = []
  if (criteria.hiddenMask !== 0) all.push(sql<SqlBool>`(hidden & ${criteria.hiddenMask}) = 0`)
  for (const label of criteria.labels) all.push(hasLabel(label))
  for (const label of criteria.withoutLabels ?? []) all.push(sql<SqlBool>`not ${hasLabel(label)}`)
  for (const text of criteria.from) all.push(isSentBetween(['from'], text))
  for (const text of criteria.to) all.push(isSentBetween(['to', 'cc', 'bcc'], text))
  for (const text of criteria.subject) all.push(containing(sql.ref('subject'), text))
  if (criteria.text !== undefined) {
    const [subject, preview] = [
      containing(sql.ref('subject'), criteria.text),
      containing(sql.ref('preview'), criteria.text),
    ]
    all.push(sql<SqlBool>`(${subject} or ${preview} or ${isSentBetween(['from'], criteria.text)})`)
  }
  // The same condition as in mail/messages/sender-trust.ts.
  if (criteria.isSenderVerified !== undefined) {
    all.push(criteria.isSenderVerified ? IS_VERIFIED : sql<SqlBool>`not ${IS_VERIFIED}`)
  }
  return all
}

const IS_VERIFIED = sql<SqlBool>`(verified_domain is not null or exists (
  select 1 from verified_senders
  where verified_senders.inbox_id = messages.inbox_id and verified_senders.claim = messages.sender_claim
    and verified_senders.verified_at is not null))`

function hasLabel(label: string): Expression<SqlBool> {
  return sql<SqlBool>`exists (select 1 from message_labels where message_labels.message_id = messages.id and message_labels.label = ${label})`
}

function isSentBetween(kinds: readonly AddressKind[], text: string): Expression<SqlBool> {
  const [address, name] = [containing(sql.ref('sent.address'), text), containing(sql.ref('sent.name'), text)]
  const message = { id: sql.ref('messages.id'), contentId: sql.ref('messages.content_id') }
  return hasAddress(message, kinds, sql<SqlBool>`(${address} or ${name})`)
}
