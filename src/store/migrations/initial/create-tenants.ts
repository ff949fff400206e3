/** Organizations, pods, domains, keys and inboxes. Part of ../0001-initial.ts. */
import type { DefinitionLanguage } from '../../sql-adapter.ts'

export function tenantTables({ text, integer, bigint, table, linkTable }: DefinitionLanguage): string[] {
  return [
    `create table organizations (
      id ${text} primary key,
      name ${text},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index organizations_by_age on organizations (created_at, id)`,
    `create table pods (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      name ${text} not null,
      client_id ${text},
      is_default ${integer} not null,
      inbox_count ${bigint} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index pods_by_organization on pods (organization_id, created_at, id)`,
    `create unique index pods_client_id on pods (organization_id, client_id) where client_id is not null`,
    `create unique index pods_default on pods (organization_id) where is_default = 1`,
    // Several tenants may claim a name. One of them holds it: mail for it belongs to that tenant.
    `create table domains (
      id ${text} primary key,
      organization_id ${text} references organizations,
      pod_id ${text},
      domain ${text} not null,
      client_id ${text},
      status ${text} not null,
      reason ${text},
      holds_name ${integer} not null,
      inbound_enabled ${integer} not null,
      feedback_enabled ${integer} not null,
      subdomains_enabled ${integer} not null,
      catch_all_inbox_id ${text},
      dkim_selector ${text} not null,
      records ${text},
      checks ${integer} not null,
      checked_at ${bigint},
      next_check_at ${bigint},
      lost_at ${bigint},
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create unique index domains_holder on domains (domain) where holds_name = 1`,
    `create unique index domains_claim on domains (domain, organization_id, (coalesce(pod_id, '')))
      where deleting_at is null`,
    `create unique index domains_client_id on domains (organization_id, (coalesce(pod_id, '')), client_id)
      where client_id is not null`,
    `create index domains_by_organization on domains (organization_id, created_at, id)`,
    `create index domains_by_catch_all on domains (catch_all_inbox_id) where catch_all_inbox_id is not null`,
    `create index domains_due on domains (next_check_at, id) where next_check_at is not null`,
    `create table secrets (
      kind ${text} not null,
      name ${text} not null,
      value ${text} not null,
      created_at ${bigint} not null,
      primary key (kind, name)
    ) ${linkTable}`,
    `create table api_keys (
      id ${text} primary key,
      kind ${text} not null,
      organization_id ${text} not null references organizations,
      pod_id ${text},
      inbox_id ${text},
      name ${text} not null,
      prefix ${text} not null,
      key_hash ${text} not null unique,
      permissions ${text},
      is_root ${integer} not null,
      created_by ${text} not null,
      expires_at ${bigint},
      used_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index api_keys_by_organization on api_keys (organization_id, created_at, id)`,
    `create index api_keys_by_pod on api_keys (pod_id, created_at, id) where pod_id is not null`,
    `create index api_keys_by_inbox on api_keys (inbox_id, created_at, id) where inbox_id is not null`,
    `create table inboxes (
      id ${text} primary key,
      organization_id ${text} not null references organizations,
      pod_id ${text} not null references pods,
      domain_id ${text} not null references domains,
      address ${text} not null unique,
      display_name ${text},
      client_id ${text},
      metadata ${text},
      status ${text} not null,
      quota_bytes ${bigint},
      quota_messages ${bigint},
      retention_days ${integer},
      message_count ${bigint} not null,
      unread_count ${bigint} not null,
      unread_shown_count ${bigint} not null,
      unread_unauthenticated_count ${bigint} not null,
      mails_notifications ${integer} not null,
      challenge_senders ${integer},
      thread_count ${bigint} not null,
      size_bytes ${bigint} not null,
      deleting_at ${bigint},
      created_at ${bigint} not null,
      updated_at ${bigint} not null
    ) ${table}`,
    `create index inboxes_by_organization on inboxes (organization_id, created_at, id)`,
    `create index inboxes_by_pod on inboxes (pod_id, created_at, id)`,
    `create index inboxes_by_domain on inboxes (domain_id)`,
    `create unique index inboxes_client_id on inboxes (pod_id, client_id) where client_id is not null`,
    `create table inbox_aliases (
      address ${text} primary key,
      inbox_id ${text} not null references inboxes,
      domain_id ${text} not null references domains,
      created_at ${bigint} not null
    ) ${linkTable}`,
    `create index inbox_aliases_by_inbox on inbox_aliases (inbox_id, address)`,
    `create index inbox_aliases_by_domain on inbox_aliases (domain_id)`,
  ]
}
