/** Adds an organization with its default pod: at the first start of the server, and at each sign-up. */
import type { Tx } from '../../store/handles.ts'
import * as tenants from '../../store/tables/tenants-table.ts'

export interface AddedOrganization {
  readonly organizationId: string
  /** The default pod. */
  readonly podId: string
}

export async function addOrganization(tx: Tx): Promise<AddedOrganization> {
  const [organizationId, podId] = [tx.newId(), tx.newId()]
  const times = { created_at: tx.now, updated_at: tx.now }
  await tenants.insertOrganization(tx, { id: organizationId, name: null, ...times })
  await tenants.insertPod(tx, {
    id: podId,
    organization_id: organizationId,
    name: 'Default',
    client_id: null,
    is_default: 1,
    inbox_count: 0,
    deleting_at: null,
    ...times,
  })
  return { organizationId, podId }
}
