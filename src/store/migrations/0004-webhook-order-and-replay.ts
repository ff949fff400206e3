/**
 * What webhooks need to keep the order of an inbox, to change their secret, to be switched off when they only fail, and to
 * be told again of what was.
 *
 * Of an ordered webhook only the first of each line is `pending`; the others are `behind`, where no claim looks: a line of a
 * hundred thousand costs as much as one of two. Both indexes are partial, so that deliveries without a line pay for neither.
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
    // What a webhook that is or was off has not been told was known by its number until now.
    `update webhook_deliveries set state = 'cancelled', lease_owner = null, lease_until = null
      where state = 'pending' and exists (
        select 1 from webhooks
        where webhooks.id = webhook_deliveries.webhook_id
          and (webhooks.is_enabled = 0 or webhook_deliveries.seq <= webhooks.cursor_seq)
      )`,
    // One of a line is on its way at a time, whatever goes wrong.
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
