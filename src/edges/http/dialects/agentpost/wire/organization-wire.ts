/** What an organization has besides mail: environments, API keys, domains (docs/compatibility/agentpost.md). */
import type { ApiKey } from '../../../../../mail/access/keys/api-key.ts'
import type { Domain, DomainItem } from '../../../../../mail/domains/domain.ts'
import type { Organization } from '../../../../../mail/tenants/organizations.ts'
import type { Pod } from '../../../../../mail/tenants/pods.ts'
import { shownId } from '../prefixed-ids.ts'
import { time } from './agentpost-shape-wire.ts'

export function organization(view: Organization) {
  return {
    id: shownId('org', view.id),
    inbox_count: view.inboxCount,
    domain_count: view.domainCount,
    created_at: time(view.createdAt),
  }
}

/** A pod. Its client_id is the slug; one that another dialect made may have none. */
export function environment(view: Pod) {
  return {
    id: shownId('env', view.id),
    name: view.name,
    slug: view.clientId ?? (view.isDefault ? 'default' : null),
    is_default: view.isDefault,
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}

export function apiKey(view: ApiKey) {
  return {
    id: shownId('key', view.id),
    name: view.name,
    prefix: view.prefix,
    environment_id: view.podId === undefined ? null : shownId('env', view.podId),
    inbox_id: view.inboxId === undefined ? null : shownId('inb', view.inboxId),
    last_used_at: view.usedAt === undefined ? null : time(view.usedAt),
    expires_at: view.expiresAt === undefined ? null : time(view.expiresAt),
    created_at: time(view.createdAt),
  }
}

export function domainItem(view: DomainItem) {
  return {
    id: shownId('dom', view.id),
    environment_id: view.podId === undefined ? null : shownId('env', view.podId),
    domain: view.domain,
    client_id: view.clientId ?? null,
    status: statusOf(view),
    verified: view.status === 'VERIFIED',
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}

export function domain(view: Domain) {
  return {
    ...domainItem(view),
    reason: view.reason ?? null,
    dns_records: view.records.map((record) => ({
      purpose: record.purpose,
      type: record.type,
      name: record.name,
      value: record.value,
      priority: record.priority ?? null,
      status: record.status.toLowerCase(),
    })),
  }
}

function statusOf({ status }: DomainItem): 'pending' | 'verified' | 'failed' {
  if (status === 'VERIFIED') return 'verified'
  return status === 'FAILED' ? 'failed' : 'pending'
}
