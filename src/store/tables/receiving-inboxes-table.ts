/** Queries that find the inbox which gets mail for an address. Rows only. Inboxes that are being deleted get none. */
import { sql } from 'kysely'
import { whenReady } from '../../when-ready.ts'
import type { Db } from '../handles.ts'
import { prepareLookup, prepareQuery } from '../prepared-query.ts'
import type { InboxRow } from '../schema/tenant-rows.ts'

/** What decides whether an inbox gets a message: each column takes time for each recipient. */
const RECEIVING_COLUMNS = [
  ...(['inboxes.id', 'inboxes.organization_id', 'inboxes.pod_id', 'inboxes.address', 'inboxes.status'] as const),
  ...(['inboxes.size_bytes', 'inboxes.message_count', 'inboxes.quota_bytes', 'inboxes.quota_messages'] as const),
] as const

export type ReceivingInbox = Pick<
  InboxRow,
  | ('id' | 'organization_id' | 'pod_id' | 'address' | 'status')
  | ('size_bytes' | 'message_count' | 'quota_bytes' | 'quota_messages')
>

/** An inbox that gets mail for an address, whose domain is held and receives mail. */
export type ReceivingInboxRow = ReceivingInbox & {
  /** The domain that the address is in, or one above it. */
  readonly domain: string
  readonly address_domain_id: string
}

/** An address and its domain; "" as the domain: a catch-all does not count. */
interface ReceivingAddress {
  readonly address: string
  readonly domain: string
}

/**
 * `holds_name` is a literal, because the index of the holders is partial: SQLite could not use it otherwise, or would prepare the
 * statement again for each value.
 */
const receivingByOwnAddress = prepareLookup((db, { address }: Pick<ReceivingAddress, 'address'>) =>
  db
    .selectFrom('inboxes')
    .innerJoin('domains', 'domains.id', 'inboxes.domain_id')
    .select(RECEIVING_COLUMNS)
    .select(['domains.domain', 'domains.id as address_domain_id'])
    .where('inboxes.address', '=', address)
    .where('inboxes.deleting_at', 'is', null)
    .where('domains.holds_name', '=', sql.lit(1))
    .where('domains.inbound_enabled', '=', 1),
)

const receivingByAddress = prepareQuery((db, { address, domain }: ReceivingAddress) =>
  db
    .selectFrom(({ selectFrom }) =>
      selectFrom('inboxes')
        .select(['inboxes.id as inbox_id', 'inboxes.domain_id', sql<number>`0`.as('precedence')])
        .where('inboxes.address', '=', address)
        .unionAll(
          selectFrom('inbox_aliases')
            .select(['inbox_aliases.inbox_id', 'inbox_aliases.domain_id', sql<number>`1`.as('precedence')])
            .where('inbox_aliases.address', '=', address),
        )
        .unionAll(
          selectFrom('domains')
            .select((eb) => [
              eb.ref('domains.catch_all_inbox_id').$notNull().as('inbox_id'),
              'domains.id as domain_id',
              sql<number>`2`.as('precedence'),
            ])
            .where('domains.domain', '=', domain)
            .where('domains.holds_name', '=', sql.lit(1)),
        )
        .as('matched'),
    )
    .innerJoin('inboxes', 'inboxes.id', 'matched.inbox_id')
    .innerJoin('domains', 'domains.id', 'matched.domain_id')
    .select(RECEIVING_COLUMNS)
    .select(['domains.domain', 'domains.id as address_domain_id'])
    .where('inboxes.deleting_at', 'is', null)
    .where('domains.holds_name', '=', sql.lit(1))
    .where('domains.inbound_enabled', '=', 1)
    .orderBy('matched.precedence')
    .limit(1),
)

/**
 * Returns the inbox whose own address this is, if its domain receives mail. Nearly all recipients have one, and the query for all
 * others takes several times as long.
 */
export function getReceivingByOwnAddress(
  db: Db,
  address: string,
): ReceivingInboxRow | undefined | Promise<ReceivingInboxRow | undefined> {
  return whenReady(receivingByOwnAddress(db, { address }), ([row]) => row)
}

/**
 * Returns the inbox that has the address, as its own or as an alias, or else the one that catches all mail for its domain; if the
 * domain receives mail. In a subdomain, the address may still get none (recipient-inboxes.ts).
 */
export async function getReceiving(db: Db, address: ReceivingAddress): Promise<ReceivingInboxRow | undefined> {
  const [row] = await receivingByAddress(db, address)
  return row
}
