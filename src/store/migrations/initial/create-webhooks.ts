/** Webhooks, their deliveries, attempts and replays. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function webhookTables({ text, integer, bigint, bytes, table }: DefinitionLanguage): string[] {
  return [
    `create table webhooks (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      pod_id ${text},
      inbox_id ${text},
      client_id ${text},
      url ${text} not null,
      profile ${text} not null,
      event_types ${text},
      pod_ids ${text},
      inbox_ids ${text},
      sender_filter ${text},
      headers ${text},
      permissions ${text},
      secret ${text} not null,
      old_secrets ${text},
      is_enabled ${integer} not null,
      disabled_reason ${text},
      failing_since ${bigint},
      failed_at ${bigint},
      failures ${integer} not null,
      has_long_retries ${integer} not null,
      order_state ${text} not null,
      term ${integer} not null,
      start_seq ${bigint} not null,
      created_by ${text} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index webhooks_by_organization on webhooks (organization_id, created_at, id)`,
    `create index webhooks_by_pod on webhooks (pod_id, created_at, id) where pod_id is not null`,
    `create index webhooks_by_inbox on webhooks (inbox_id, created_at, id) where inbox_id is not null`,
    `create unique index webhooks_client_id on webhooks (coalesce(inbox_id, pod_id, organization_id), profile, client_id)
      where client_id is not null`,
    `create table webhook_deliveries (
      id ${text} primary key,
      webhook_id ${text} not null references webhooks on delete cascade,
      seq ${bigint} not null,
      event_id ${text} not null,
      event_type ${text} not null,
      state ${text} not null,
      ordering_key ${text},
      term ${integer} not null,
      attempts ${integer} not null,
      attempts_before ${integer} not null,
      next_attempt_at ${bigint} not null,
      scheduled_at ${bigint},
      probes ${integer} not null,
      lease_owner ${text},
      lease_until ${bigint},
      interruptions ${integer} not null,
      body ${bytes},
      last_code ${integer},
      last_error ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create unique index webhook_deliveries_event on webhook_deliveries (webhook_id, seq)`,
    `create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, next_attempt_at, id)
      where state = 'pending'`,
    `create index webhook_deliveries_due on webhook_deliveries (next_attempt_at, id) where state = 'pending'`,
    `create index webhook_deliveries_by_age on webhook_deliveries (created_at)`,
    // In an ordered webhook, only the first delivery of each ordering key is pending; this index ensures it. The others
    // are waiting, and claims do not read them: a hundred thousand waiting deliveries cost as much as two.
    `create unique index webhook_deliveries_pending_key on webhook_deliveries (webhook_id, ordering_key)
      where state = 'pending' and ordering_key is not null`,
    `create index webhook_deliveries_waiting on webhook_deliveries (webhook_id, ordering_key, seq)
      where state = 'waiting'`,
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
    `create table notification_rules (
      inbox_id ${text} primary key references inboxes,
      rules ${text} not null,
      permissions ${text},
      version ${text} not null,
      updated_at ${bigint} not null
    ) ${table}`,
  ]
}
