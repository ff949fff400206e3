/**
 * Columns and tables for outbound mail and webhooks: the route of a released recipient, the server that answered an
 * attempt, and webhooks with their deliveries.
 *
 * Due rows are found per destination (a recipient's domain, a webhook), so that the backlog of a dead destination is
 * not read again and again before the others are found. So these indexes begin with the destination.
 */
import type { Migration } from './migration.ts'

export const outboundAndWebhooks: Migration = {
  number: 2,
  name: 'outbound and webhooks',
  statements: ({ text, integer, bigint, table }) => [
    // Recipients: the owner is copied, so that the queue can be listed in an actor's scope without a join.
    `alter table recipients add column organization_id ${text}`,
    `alter table recipients add column inbox_id ${text}`,
    `alter table recipients add column route ${text}`,
    `alter table recipients add column delay_told_at ${bigint}`,
    `alter table recipients add column released_at ${bigint}`,
    `update recipients set
      organization_id = (select organization_id from submissions where submissions.id = recipients.submission_id),
      inbox_id = (select inbox_id from submissions where submissions.id = recipients.submission_id)`,
    `create index recipients_by_lane on recipients (domain, next_attempt_at, id) where state = 'queued'`,
    `create index recipients_waiting on recipients (organization_id, created_at, id) where state in ('queued', 'held')`,
    `create index recipients_waiting_by_inbox on recipients (inbox_id, created_at, id)
      where state in ('queued', 'held')`,
    `alter table deliveries add column remote ${text}`,
    `alter table deliveries add column tls ${text}`,

    // Webhooks
    `alter table webhooks add column failing_since ${bigint}`,
    `alter table webhooks add column disabled_reason ${text}`,
    `alter table webhooks add column permissions ${text}`,
    `alter table webhooks add column deleting_at ${bigint}`,
    `create index webhooks_by_pod on webhooks (pod_id, created_at, id) where pod_id is not null`,
    `create index webhooks_by_inbox on webhooks (inbox_id, created_at, id) where inbox_id is not null`,
    // The cursor of each durable consumer of the event log.
    `create table event_consumers (
      name ${text} primary key,
      cursor_seq ${bigint} not null
    ) ${table}`,
    `create table webhook_deliveries (
      id ${text} primary key,
      webhook_id ${text} not null references webhooks on delete cascade,
      seq ${bigint} not null,
      event_id ${text} not null,
      event_type ${text} not null,
      state ${text} not null,
      attempts ${integer} not null,
      next_attempt_at ${bigint} not null,
      lease_owner ${text},
      lease_until ${bigint},
      body ${text},
      last_code ${integer},
      last_error ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create unique index webhook_deliveries_event on webhook_deliveries (webhook_id, seq)`,
    `create index webhook_deliveries_by_lane on webhook_deliveries (webhook_id, next_attempt_at, id)
      where state = 'pending'`,
    `create index webhook_deliveries_due on webhook_deliveries (next_attempt_at, id) where state = 'pending'`,
    `create index webhook_deliveries_by_age on webhook_deliveries (created_at)`,
    `create table webhook_attempts (
      id ${text} primary key,
      delivery_id ${text} not null references webhook_deliveries on delete cascade,
      attempt ${integer} not null,
      outcome ${text} not null,
      code ${integer},
      response ${text},
      error ${text},
      started_at ${bigint} not null,
      ended_at ${bigint} not null
    ) ${table}`,
    `create index webhook_attempts_by_delivery on webhook_attempts (delivery_id, attempt)`,
  ],
}
