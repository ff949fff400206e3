/**
 * Queries for the addresses of messages. Those of the header are stored once per content, for all its messages; Bcc
 * addresses are stored with the sender's message. Rows only.
 */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../handles.ts'
import { prepareQuery } from '../prepared-query.ts'
import { insertRows } from '../row-statements.ts'
import type { AddressKind, KindAddress, MessageRow } from '../schema/message-rows.ts'
import { groupSorted } from './grouped-rows.ts'

export const insertOfContents = insertRows('content_addresses', {
  content_id: 'text',
  kind: 'text',
  position: 'integer',
  address: 'text',
  name: 'text',
})

export const insertBcc = insertRows('message_bcc', {
  message_id: 'text',
  position: 'integer',
  address: 'text',
  name: 'text',
})

const ofContents = prepareQuery((db, { contentIds }: { contentIds: readonly string[] }) =>
  db
    .selectFrom('content_addresses')
    .selectAll()
    .where('content_id', 'in', contentIds)
    .orderBy('content_id')
    .orderBy('kind')
    .orderBy('position'),
)

const bccOfMessages = prepareQuery((db, { messageIds }: { messageIds: readonly string[] }) =>
  db
    .selectFrom('message_bcc')
    .select(['message_id', sql<AddressKind>`'bcc'`.as('kind'), 'position', 'address', 'name'])
    .where('message_id', 'in', messageIds)
    .orderBy('message_id')
    .orderBy('position'),
)

/** Returns the addresses of each message, in the order of kind and position. */
export async function addressesOf(
  db: Db,
  messages: readonly Pick<MessageRow, 'id' | 'content_id' | 'envelope_recipient'>[],
): Promise<Map<string, KindAddress[]>> {
  if (messages.length === 0) return new Map()
  const contentIds = [...new Set(messages.map((message) => message.content_id))]
  const byContent = groupSorted<KindAddress & { content_id: string }, KindAddress>(
    await ofContents(db, { contentIds }),
    (row) => row.content_id,
    (row) => row,
  )
  const byMessage = await bccOf(db, messages)
  return new Map(
    messages.map(({ id, content_id }) => {
      const inHeader = byContent.get(content_id) ?? []
      const bcc = byMessage.get(id)
      return [id, bcc ? [...bcc, ...inHeader] : inHeader]
    }),
  )
}

/** Returns the Bcc addresses of those messages that have some. */
export async function bccOf(
  db: Db,
  messages: readonly Pick<MessageRow, 'id' | 'envelope_recipient'>[],
): Promise<Map<string, KindAddress[]>> {
  // Only the senders of a message know its Bcc addresses. A received message has an envelope recipient.
  const messageIds = messages.filter((message) => message.envelope_recipient === null).map(({ id }) => id)
  const rows = messageIds.length === 0 ? [] : await bccOfMessages(db, { messageIds })
  return groupSorted<KindAddress & { message_id: string }, KindAddress>(
    rows,
    (row) => row.message_id,
    (row) => row,
  )
}

/**
 * Whether one of the addresses of a message meets a condition, which refers to them as `sent`.
 *
 * @param from the columns `id` and `content_id` of the message, and tables that the condition needs
 */
export function hasAddress(
  { id, contentId, from }: { id: RawBuilder<unknown>; contentId: RawBuilder<unknown>; from?: RawBuilder<unknown> },
  kinds: readonly AddressKind[],
  meets: Expression<SqlBool>,
): Expression<SqlBool> {
  const others = from ? sql`${from} join` : sql``
  const on = sql.raw(from ? 'on' : 'where')
  const inHeader = sql<SqlBool>`exists (select 1 from ${others} content_addresses as sent
    ${on} sent.content_id = ${contentId} and sent.kind in (${sql.join(kinds)}) and ${meets})`
  if (!kinds.includes('bcc')) return inHeader
  const inBcc = sql`exists (select 1 from ${others} message_bcc as sent ${on} sent.message_id = ${id} and ${meets})`
  return sql<SqlBool>`(${inHeader} or ${inBcc})`
}
