/** Shows a domain with its records: what its owner must publish, and what the last check has found. Pure. */
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import type { Domain, DomainItem } from './domain.ts'
import { checkRecord, type ExpectedRecord, type SeenRecords, type ServerNames } from './domain-records.ts'

export function showDomain(
  row: DomainRow,
  expected: readonly ExpectedRecord[],
  { server, graceMs }: { readonly server: ServerNames; readonly graceMs: number },
): Domain {
  const seen = (row.records === null ? {} : JSON.parse(row.records)) as SeenRecords
  return {
    ...showDomainItem(row, graceMs),
    records: expected.map((record) => {
      const found = seen[record.purpose] ?? []
      return { ...record, ...checkRecord(record, found, server), seen: found }
    }),
  }
}

/** Without the records: to compute the expected ones, a key is parsed, which takes milliseconds. */
export function showDomainItem(row: DomainRow, graceMs: number): DomainItem {
  return {
    id: row.id,
    organizationId: row.organization_id!, // only the shared domain has none, and it is not shown
    ...(row.pod_id !== null && { podId: row.pod_id }),
    domain: row.domain,
    ...(row.client_id !== null && { clientId: row.client_id }),
    status: row.status,
    ...(row.reason !== null && { reason: row.reason }),
    isInbound: row.inbound_enabled === 1,
    hasFeedback: row.feedback_enabled === 1,
    hasSubdomains: row.subdomains_enabled === 1,
    ...(row.checked_at !== null && { checkedAt: row.checked_at }),
    ...(row.lost_at !== null && { usableUntil: row.lost_at + graceMs }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
