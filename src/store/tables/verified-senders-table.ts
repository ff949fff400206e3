/** Queries for senders that were challenged. Rows only: mail/receiving/challenges decides what they mean. */
import type { Db, Tx } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import type { VerifiedSenderRow } from '../schema/message-rows.ts'
import { type Keyset, onePage } from './keyset.ts'

/** A sender that has answered. */
export type AnsweredRow = VerifiedSenderRow & { verified_at: number }

interface ClaimedMessage {
  readonly id: string
  readonly inbox_id: string
  readonly sender_claim: string
}

const answered = prepareQuery((db, { inboxIds, claims }: { inboxIds: readonly string[]; claims: readonly string[] }) =>
  db
    .selectFrom('verified_senders')
    .select(['inbox_id', 'claim', 'address'])
    .where('inbox_id', 'in', inboxIds)
    .where('claim', 'in', claims)
    .where('verified_at', 'is not', null),
)

/** @returns the address of the sender of each message that it has answered for, by the id of the message */
export async function ofMessages(db: Db, messages: readonly ClaimedMessage[]): Promise<ReadonlyMap<string, string>> {
  if (messages.length === 0) return new Map()
  const rows = await answered(db, {
    inboxIds: [...new Set(messages.map((message) => message.inbox_id))],
    claims: [...new Set(messages.map((message) => message.sender_claim))],
  })
  const addressOf = ({ inbox_id, sender_claim }: ClaimedMessage) =>
    rows.find((row) => row.inbox_id === inbox_id && row.claim === sender_claim)?.address
  return new Map(
    messages.flatMap((message) => {
      const address = addressOf(message)
      return address === undefined ? [] : [[message.id, address] as const]
    }),
  )
}

export async function getByClaim(db: Db, inboxId: string, claim: string): Promise<VerifiedSenderRow | undefined> {
  return db
    .selectFrom('verified_senders')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .where('claim', '=', claim)
    .executeTakeFirst()
}

export async function getByToken(db: Db, tokenHash: string): Promise<VerifiedSenderRow | undefined> {
  return db.selectFrom('verified_senders').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst()
}

/** @param max counts no further */
export async function countOfInbox(db: Db, inboxId: string, max: number): Promise<number> {
  const rows = await db.selectFrom('verified_senders').select('id').where('inbox_id', '=', inboxId).limit(max).execute()
  return rows.length
}

/** Replaces a challenge that was not answered. The caller has locked the inbox. */
export async function replace(tx: Tx, row: VerifiedSenderRow): Promise<void> {
  await tx.deleteFrom('verified_senders').where('inbox_id', '=', row.inbox_id).where('claim', '=', row.claim).execute()
  await tx.insertInto('verified_senders').values(row).execute()
}

/** @returns the row, if its link was open: of two calls at the same time, one gets it */
export async function answer(tx: Tx, tokenHash: string): Promise<AnsweredRow | undefined> {
  const row = await tx
    .updateTable('verified_senders')
    .set({ verified_at: tx.now, token_hash: null })
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', tx.now)
    .returningAll()
    .executeTakeFirst()
  return row as AnsweredRow | undefined
}

/** Those that have answered. */
export async function list(db: Db, inboxId: string, keyset: Keyset): Promise<AnsweredRow[]> {
  const rows = await db
    .selectFrom('verified_senders')
    .selectAll()
    .where('inbox_id', '=', inboxId)
    .where('verified_at', 'is not', null)
    .$call((query) => onePage(query, 'created_at', keyset))
    .execute()
  return rows as AnsweredRow[]
}

/** @returns undefined if no such sender has answered */
export async function removeAnswered(tx: Tx, inboxId: string, id: string): Promise<VerifiedSenderRow | undefined> {
  return tx
    .deleteFrom('verified_senders')
    .where('inbox_id', '=', inboxId)
    .where('id', '=', id)
    .where('verified_at', 'is not', null)
    .returningAll()
    .executeTakeFirst()
}

export async function removeOfInbox(tx: Tx, inboxId: string): Promise<void> {
  await tx.deleteFrom('verified_senders').where('inbox_id', '=', inboxId).execute()
}

/** Removes challenges whose link has ended without an answer. @returns how many */
export async function removeExpired(tx: Tx, now: number, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('verified_senders')
    .select('id')
    .where('verified_at', 'is', null)
    .where('expires_at', '<=', now)
    .limit(limit)
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length > 0) await tx.deleteFrom('verified_senders').where('id', 'in', ids).execute()
  return ids.length
}
