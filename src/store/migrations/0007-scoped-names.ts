/**
 * Names that callers choose are unique in a scope and no longer in the whole organization: a client_id in the pod of its inbox
 * or in the scope of its webhook, an Idempotency-Key in the inbox that sends.
 *
 * Keys whose send is over move to its inbox, which its thread knows: a result ends in `"<thread id>"}`. A send that was under
 * way died with the program before this one, so its key is free.
 */
import type { Migration } from './migration.ts'

export const scopedNames: Migration = {
  number: 7,
  name: 'scoped names',
  statements: ({ text, bigint, table }) => [
    `drop index inboxes_client_id`,
    `create unique index inboxes_client_id on inboxes (pod_id, client_id) where client_id is not null`,
    `drop index webhooks_client_id`,
    `create unique index webhooks_client_id on webhooks (coalesce(inbox_id, pod_id, organization_id), client_id)
      where client_id is not null`,

    // A primary key cannot be altered on SQLite, and a renamed table would keep the name of its key on PostgreSQL.
    `create table idempotency_keys_before as select * from idempotency_keys where state = 'done'`,
    `drop table idempotency_keys`,
    `create table idempotency_keys (
      inbox_id ${text} not null,
      key ${text} not null,
      scope_id ${text} not null,
      fingerprint ${text} not null,
      state ${text} not null,
      lease_until ${bigint},
      result ${text},
      created_at ${bigint} not null,
      completed_at ${bigint},
      primary key (inbox_id, key)
    ) ${table}`,
    `insert into idempotency_keys
      select threads.inbox_id, before.key, before.organization_id, before.fingerprint, before.state, before.lease_until,
        before.result, before.created_at, before.completed_at
      from idempotency_keys_before before
      join threads on threads.id = substr(before.result, length(before.result) - 37, 36)`,
    `drop table idempotency_keys_before`,
    `create index idempotency_keys_by_scope on idempotency_keys (scope_id, key)`,
    `create index idempotency_keys_by_age on idempotency_keys (created_at)`,
  ],
}
