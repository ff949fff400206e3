/** Organization, pod and identity (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { KeyActor } from '../../../../../mail/access/actor.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { Labs as LabsView, Organization as OrganizationView } from '../../../../../mail/tenants/organizations.ts'
import type { Pod as PodView } from '../../../../../mail/tenants/pods.ts'
import { named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

export const Organization = named('Organization', {
  organization_id: Type.String(),
  inbox_count: Type.Integer(),
  domain_count: Type.Integer(),
  authentication_type: Type.Optional(
    Type.Enum(['agent_unverified', 'agent_verified'], { description: 'Only of an organization that signed up.' }),
  ),
  updated_at: Time,
  created_at: Time,
})

export function organization(view: OrganizationView): Wire<typeof Organization> {
  return {
    organization_id: view.id,
    inbox_count: view.inboxCount,
    domain_count: view.domainCount,
    authentication_type: view.state,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export const Labs = named('OrganizationLabs', {
  enabled: Type.Boolean(),
  enabled_at: Type.Null(),
  available: Type.Boolean(),
})

/** Clients expect `enabled_at` in every response: null, as long as labs cannot be enabled. */
export function labs({ isEnabled, isAvailable }: LabsView): Wire<typeof Labs> {
  return { enabled: isEnabled, enabled_at: null, available: isAvailable }
}

export const Pod = named('Pod', {
  pod_id: Type.String(),
  name: Type.String(),
  client_id: Type.Optional(Type.String()),
  updated_at: Time,
  created_at: Time,
})

export function pod(view: PodView): Wire<typeof Pod> {
  return {
    pod_id: view.id,
    name: view.name,
    client_id: view.clientId,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export const PodList = namedPage('ListPodsResponse', { pods: Type.Array(Pod) })

export function podList(page: Page<PodView>): Wire<typeof PodList> {
  return { ...pageHead(page), pods: page.items.map(pod) }
}

export const Identity = named('Identity', {
  scope_type: Type.Enum(['organization', 'pod', 'inbox']),
  scope_id: Type.String(),
  organization_id: Type.String(),
  pod_id: Type.Optional(Type.String()),
  inbox_id: Type.Optional(Type.String()),
  api_key_id: Type.Optional(Type.String()),
})

/** Renders the scope of a key; `inboxAddress` is set if the key is limited to one inbox. */
export function identity(actor: KeyActor): Wire<typeof Identity> {
  const { inboxAddress } = actor
  return {
    scope_type: inboxAddress !== undefined ? 'inbox' : actor.podId !== undefined ? 'pod' : 'organization',
    scope_id: inboxAddress ?? actor.podId ?? actor.organizationId,
    organization_id: actor.organizationId,
    pod_id: actor.podId,
    inbox_id: inboxAddress,
    api_key_id: actor.apiKeyId,
  }
}
