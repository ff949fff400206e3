/**
 * Columns and tables for webhooks: delivery in the order of an inbox, rotation of the secret, disabling after permanent
 * failure, and replay of past events.
 *
 * In an ordered webhook only the first delivery of each ordering key (`line`) is `pending`. The others are `behind`
 * (blocked), which claims do not read: a hundred thousand blocked deliveries cost as much as two. Both indexes are
 * partial, so that deliveries without an ordering key add nothing to them.
 */
import type { Migration } from './migration.ts'

export const webhookOrderAndReplay: Migration = {
  number: 4,
  name: 'webhook order and replay',
  statements: ({ text, integer, bigint, table }) => [
    `alter table webhooks add column old_secrets ${text}`,
    `alter table webhooks add column order_state ${text} not null default 'none'`,
    `alter table webhooks add column term ${integer} not null default 0`,
    `alter table webhooks add column failed_at ${bigint}`,
    `alter table webhook_deliveries add column line ${text}`,
    `alter table webhook_deliveries add column term ${integer} not null default 0`,
    `alter table webhook_deliveries add column attempts_before ${integer} not null default 0`,
    // Until now, `is_enabled` and `cursor_seq` showed which pending deliveries of a disabled webhook must not be sent.
    `update webhook_deliveries set state = 'cancelled', lease_owner = null, lease_until = null
      where state = 'pending' and exists (
        select 1 from webhooks
        where webhooks.id = webhook_deliveries.webhook_id
          and (webhooks.is_enabled = 0 or webhook_deliveries.seq <= webhooks.cursor_seq)
      )`,
    // The database itself ensures that at most one delivery per ordering key is pending.
    `create unique index webhook_deliveries_by_turn on webhook_deliveries (webhook_id, line)
      where state = 'pending' and line is not null`,
    `create index webhook_deliveries_behind on webhook_deliveries (webhook_id, line, seq) where state = 'behind'`,
    `create table webhook_replays (
      id ${text} primary key,
      webhook_id ${text} not null references webhooks on delete cascade,
      term ${integer} not null,
      position_seq ${bigint} not null,
      through_seq ${bigint} not null,
      start_at ${bigint} not null,
      end_at ${bigint} not null,
      event_types ${text},
      is_only_failed ${integer} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create index webhook_replays_by_webhook on webhook_replays (webhook_id)`,
  ],
}
