/** Outgoing mail: submissions, recipients, delivery history, idempotency keys. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function sendingTables({ text, integer, bigint, table }: DefinitionLanguage): string[] {
  return [
    // A submission may outlive its message: deleting a sent message does not remove it from the queue.
    `create table submissions (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      inbox_id ${text},
      message_id ${text},
      content_id ${text} not null references contents,
      kind ${text} not null,
      envelope_sender ${text} not null,
      dkim_selector ${text},
      smtputf8 ${integer} not null,
      created_at ${bigint} not null
    ) ${table}`,
    `create index submissions_by_content on submissions (content_id)`,
    `create index submissions_by_message on submissions (message_id) where message_id is not null`,
    // Each recipient has the organization, pod and inbox of its submission, so that the queue of a scope is listed without
    // a join. Due recipients are found by domain and sending pod, so that the backlog of a dead domain, or of a pod that
    // uses its share of the capacity, is not read again and again before the others.
    `create table recipients (
      id ${text} primary key,
      submission_id ${text} not null references submissions on delete cascade,
      message_id ${text},
      position ${integer} not null,
      address ${text} not null,
      domain ${text} not null,
      organization_id ${text} not null,
      pod_id ${text} not null,
      inbox_id ${text},
      state ${text} not null,
      route ${text},
      delay_notice_at ${bigint},
      released_at ${bigint},
      attempts ${integer} not null,
      next_attempt_at ${bigint} not null,
      lease_owner ${text},
      lease_until ${bigint},
      delivering_since ${bigint},
      delivering_to ${text},
      interruptions ${integer} not null,
      last_code ${integer},
      last_enhanced_code ${text},
      last_reply ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index recipients_due on recipients (next_attempt_at, id) where state = 'queued'`,
    `create index recipients_by_flow on recipients (domain, pod_id, next_attempt_at, id) where state = 'queued'`,
    `create index recipients_open on recipients (organization_id, created_at, id) where state in ('queued', 'held')`,
    `create index recipients_open_by_inbox on recipients (inbox_id, created_at, id)
      where state in ('queued', 'held')`,
    `create index recipients_by_submission on recipients (submission_id, position)`,
    `create index recipients_by_message on recipients (message_id) where message_id is not null`,
    `create table recipient_history (
      id ${text} primary key,
      recipient_id ${text} not null references recipients on delete cascade,
      position ${integer} not null,
      target ${text} not null,
      outcome ${text} not null,
      code ${integer},
      enhanced_code ${text},
      reply ${text},
      remote ${text},
      tls ${text},
      started_at ${bigint} not null,
      ended_at ${bigint} not null
    ) ${table}`,
    `create index recipient_history_by_recipient on recipient_history (recipient_id, position)`,
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
    `create index idempotency_keys_by_scope on idempotency_keys (scope_id, key)`,
    `create index idempotency_keys_by_age on idempotency_keys (created_at)`,
  ]
}
