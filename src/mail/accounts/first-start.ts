/**
 * Creates what the server needs before any request: an organization with its default pod, the shared domain with its
 * DKIM key, the postmaster's inbox, and the root key. It runs at each start and creates only what is missing; a changed
 * MARTLET_ROOT_KEY replaces the old root key.
 */

import type { Tx } from '../../store/handles.ts'
import type { ApiKeyRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as apiKeys from '../../store/tables/api-keys-table.ts'
import * as domainTable from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { keyColumns } from '../access/keys/api-keys.ts'
import { hashKey } from '../access/keys/credentials.ts'
import type { Domains } from '../domains/domains.ts'
import { keyRevoked } from '../events/log/resource-events.ts'
import { addOrganization } from '../tenants/add-organization.ts'

interface FirstStartNeeds {
  readonly store: Store
  readonly domains: Domains
  readonly sharedDomain: string
  /** MARTLET_ROOT_KEY: replaces the current root key. */
  readonly rootKey: string | undefined
  /** Called when there is no root key and none is configured: creates one and stores it where the operator finds it. */
  readonly makeRootKey: () => Promise<string>
}

const ACTOR = 'system:start'

/** @returns the root key if it was created just now, to be shown once */
export async function prepareFirstStart(needs: FirstStartNeeds): Promise<string | undefined> {
  const { store, domains, sharedDomain } = needs
  const domain = await domains.ensureShared(sharedDomain)
  const known = await tenants.getFirstOrganization(store.db)
  const hasRoot = known !== undefined && (await apiKeys.getRoot(store.db, known.id)) !== undefined
  const newKey = needs.rootKey === undefined && !hasRoot ? await needs.makeRootKey() : undefined

  await store.transaction(async (tx) => {
    await domainTable.lockById(tx, domain.id) // nodes that start at the same time run this one after the other
    const organizationId = (await tenants.getFirstOrganization(tx))?.id ?? (await addOrganization(tx)).organizationId
    const pod = await tenants.getDefaultPod(tx, organizationId)
    await ensurePostmaster(tx, organizationId, pod!.id, domain.id, sharedDomain)
    const key = needs.rootKey ?? newKey
    if (key !== undefined) await replaceRootKey(tx, organizationId, key)
  })
  return newKey
}

/** RFC 5321 §4.5.1: mail for the postmaster of each of our domains arrives in this inbox. */
async function ensurePostmaster(
  tx: Tx,
  organizationId: string,
  podId: string,
  domainId: string,
  domain: string,
): Promise<void> {
  const address = `postmaster@${domain}`
  if (await inboxes.isAddressUsed(tx, address)) return
  await inboxes.insert(tx, {
    organization_id: organizationId,
    pod_id: podId,
    domain_id: domainId,
    address,
    display_name: 'Postmaster',
    client_id: null,
    metadata: null,
    status: 'active',
    created_by: ACTOR,
  })
  await tenants.addInboxCount(tx, podId, 1)
}

async function replaceRootKey(tx: Tx, organizationId: string, key: string): Promise<void> {
  const existing = await apiKeys.getRoot(tx, organizationId)
  if (existing?.key_hash === hashKey(key)) return
  if (existing) {
    await apiKeys.update(tx, existing.id, { ...keyColumns(key), updated_at: tx.now })
    tx.append(keyRevoked({ actor: ACTOR, key: { id: existing.id, organizationId } })) // closes sockets of the old key
    return
  }
  const row: ApiKeyRow = {
    id: tx.newId(),
    kind: 'bearer',
    organization_id: organizationId,
    pod_id: null,
    inbox_id: null,
    name: 'Root key',
    ...keyColumns(key),
    permissions: null,
    is_root: 1,
    created_by: ACTOR,
    expires_at: null,
    used_at: null,
    created_at: tx.now,
    updated_at: tx.now,
  }
  await apiKeys.insert(tx, row)
}
