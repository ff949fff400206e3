/**
 * Queries for the addresses of messages. Those of the header are stored once per content, for all its messages; Bcc
 * addresses are stored with the sender's message. Rows only.
 */
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../handles.ts'
import { insertRows } from '../row-statements.ts'
import type { AddressKind, KindAddress } from '../schema/message-rows.ts'

export type MessageAddressRow = KindAddress & { readonly message_id: string }

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

export async function addressesOf(db: Db, messageIds: readonly string[]): Promise<Map<string, MessageAddressRow[]>> {
  const byMessage = new Map<string, MessageAddressRow[]>()
  if (messageIds.length === 0) return byMessage
  const bcc = db
    .selectFrom('message_bcc')
    .select(['message_id', sql<AddressKind>`'bcc'`.as('kind'), 'position', 'address', 'name'])
    .where('message_id', 'in', messageIds)
  const rows = await db
    .selectFrom('content_addresses')
    .innerJoin('messages', 'messages.content_id', 'content_addresses.content_id')
    .select(['messages.id as message_id', 'content_addresses.kind', 'content_addresses.position'])
    .select(['content_addresses.address', 'content_addresses.name'])
    .where('messages.id', 'in', messageIds)
    .unionAll(bcc)
    .orderBy('message_id')
    .orderBy('kind')
    .orderBy('position')
    .execute()
  for (const row of rows) {
    const list = byMessage.get(row.message_id)
    if (list) list.push(row)
    else byMessage.set(row.message_id, [row])
  }
  return byMessage
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
