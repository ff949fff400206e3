/** Reads the actor's own organization. */
import { MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { keyOf, requireKeyScope } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { type OrganizationState, requireVerified, stateOf } from './organization-state.ts'

export interface Organization {
  readonly id: string
  readonly inboxCount: number
  readonly domainCount: number
  readonly state: OrganizationState
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Organizations {
  /** Returns the actor's own organization. Needs an organization-wide key. @throws narrow_key */
  get(actor: Actor): Promise<Organization>
  /**
   * For what concerns the whole server: organizations from sign-ups are strangers.
   *
   * @throws forbidden
   */
  requireNoStranger(actor: Actor): Promise<void>
  /** Returns whether the organization can join previews of features. Needs an organization-wide key. @throws narrow_key */
  labs(actor: Actor): Labs
  /**
   * Joins the previews, of which there are none: it always throws, as AgentMail does where it offers none.
   *
   * @throws narrow_key, unrestricted_key_required, organization_unverified; forbidden
   */
  joinLabs(actor: Actor): Promise<Labs>
}

/** Previews of features. Martlet has none. */
export interface Labs {
  readonly isEnabled: boolean
  readonly isAvailable: boolean
}

export function createOrganizations({ store }: { readonly store: Store }): Organizations {
  return {
    async get(actor) {
      const key = keyOf(actor)
      // docs/compatibility/agentmail.md: reading the organization needs an organization-wide key, with any permissions.
      requireKeyScope(key, 'organization')
      const row = await tenants.getOrganization(store.db, key.organizationId)
      if (!row) throw new MailError('not_found', { what: 'Organization' })
      return {
        id: row.id,
        inboxCount: await tenants.countInboxes(store.db, row.id),
        domainCount: await domains.countByOrganization(store.db, row.id),
        state: await stateOf(store.db, row.id),
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      }
    },

    async requireNoStranger(actor) {
      if ((await stateOf(store.db, keyOf(actor).organizationId)) === undefined) return
      throw new MailError('forbidden', { detail: 'Only keys that the operator has made can read this' })
    },

    labs(actor) {
      requireKeyScope(keyOf(actor), 'organization')
      return { isEnabled: false, isAvailable: false }
    },

    async joinLabs(actor) {
      const key = keyOf(actor)
      requireKeyScope(key, 'organization')
      // It would change what all keys of the organization can do.
      if (key.permissions !== undefined) throw new MailError('unrestricted_key_required', { action: 'join labs' })
      await requireVerified(store.db, key.organizationId, 'join labs')
      const detail = 'Labs are not available: this server has no previews. GET /v0/capabilities says what it has'
      throw new MailError('forbidden', { detail })
    },
  }
}
