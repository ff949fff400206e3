/** Pods: groups of inboxes inside an organization. The default pod is used when a request names none. */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { PodRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { removeSnapshots } from '../../store/tables/usage-table.ts'
import { assertKeyUnchanged, keyOf, requireKeyScope, requirePermission, requirePod } from '../access/access.ts'
import { type Actor, actorName } from '../access/actor.ts'
import { parseClientId } from '../access/client-id.ts'
import { parseName } from '../access/object-name.ts'
import { listPage } from '../access/paging/list-page.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'
import { podGone } from '../events/log/resource-events.ts'
import { requireVerified } from './organization-state.ts'
import { revokeAccess } from './revoke-access.ts'

export interface Pod {
  readonly id: string
  readonly name: string
  readonly clientId?: string
  readonly isDefault: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Pods {
  /**
   * Creates a pod; returns the existing one if the clientId was used before.
   *
   * @throws narrow_key, missing_permission, validation_error, organization_unverified
   */
  create(actor: Actor, request: { name?: string | undefined; clientId?: string | undefined }): Promise<Pod>
  list(actor: Actor, page: PageRequest): Promise<Page<Pod>>
  /** @param ref id or client_id @throws not_found */
  get(actor: Actor, ref: string): Promise<Pod>
  /** @throws not_found; cannot_delete while it has inboxes or domains, or is the default pod */
  delete(actor: Actor, ref: string): Promise<void>
}

interface PodsNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createPods({ store, limits }: PodsNeeds): Pods {
  return {
    async create(actor, request) {
      const clientId = parseClientId(request.clientId)
      const name = parseName(request.name, limits) ?? 'Pod'
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const key = keyOf(actor)
        requireKeyScope(key, 'organization')
        requirePermission(key, 'pod_create')
        const existing = clientId === undefined ? undefined : await tenants.getPod(tx, key.organizationId, clientId)
        if (existing) return showPod(existing)
        await requireVerified(tx, key.organizationId, 'create pods')

        const row: PodRow = {
          id: tx.newId(),
          organization_id: key.organizationId,
          name,
          client_id: clientId ?? null,
          is_default: 0,
          inbox_count: 0,
          deleting_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await tenants.insertPod(tx, row)
        return showPod(row)
      })
    },

    async list(actor, page) {
      const key = keyOf(actor)
      requireKeyScope(key, 'pod')
      requirePermission(key, 'pod_read')
      const scope = { organizationId: key.organizationId, podId: key.podId }
      return listPage(page, limits, {
        filter: { list: 'pods', ...scope },
        select: (keyset) => tenants.listPods(store.db, scope, keyset),
        show: (rows) => rows.map(showPod),
      })
    },

    async get(actor, ref) {
      return showPod(await requirePod(store.db, keyOf(actor), 'pod_read', ref))
    },

    async delete(actor, ref) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { id } = await requirePod(tx, keyOf(actor), 'pod_delete', ref)
        const row = await tenants.lockPod(tx, id)
        if (!row) throw new MailError('not_found', { what: 'Pod' }) // just deleted by another call
        if (row.is_default) throw new MailError('cannot_delete', { detail: 'The default pod cannot be deleted' })
        const uses = [
          ...countOf(row.inbox_count, 'inbox', 'inboxes'),
          ...countOf(await domains.countByPod(tx, row.id), 'domain', 'domains'),
        ]
        if (uses.length > 0) {
          const detail = `The pod has ${uses.join(' and ')}; delete them first`
          throw new MailError('cannot_delete', { detail })
        }
        if (await inboxes.podHasInbox(tx, row.id))
          throw new MailError('resource_deleting', { what: 'An inbox of this pod' })
        await revokeAccess(tx, actor, 'pod_id', row)
        tx.append(podGone({ actor: actorName(actor), pod: { id: row.id, organizationId: row.organization_id } }))
        await removeSnapshots(tx, row.id)
        await tenants.removePod(tx, row.id)
      })
    },
  }
}

function countOf(count: number, one: string, several: string): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`]
}

function showPod(row: PodRow): Pod {
  return {
    id: row.id,
    name: row.name,
    ...(row.client_id !== null && { clientId: row.client_id }),
    isDefault: row.is_default === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
