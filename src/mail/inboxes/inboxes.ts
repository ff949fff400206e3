/**
 * Creates, finds, changes and deletes inboxes. An inbox is one address with its messages. It is found by address or id,
 * and disappears from all APIs at the moment its deletion is committed.
 */
import type { Limits } from '../../config/limits.ts'
import type { Config } from '../../config/settings.ts'
import { MailError } from '../../errors.ts'
import { splitAddress } from '../../formats/address/address.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'

import * as domains from '../../store/tables/domains-table.ts'
import * as aliases from '../../store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as queue from '../../store/tables/queue-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import {
  assertKeyUnchanged,
  hasPermission,
  keyOf,
  lockInbox,
  requireInbox,
  requireKeyScope,
  requirePermission,
  requireRootKey,
  requireScope,
  type Scope,
} from '../access/access.ts'
import { type Actor, actorName, type Within } from '../access/actor.ts'
import { parseClientId } from '../access/client-id.ts'
import { addAppPassword } from '../access/keys/app-passwords.ts'
import { requireOwnOrReadable } from '../access/own-or-readable.ts'
import { listPage } from '../access/paging/list-page.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'
import type { Permission } from '../access/permissions.ts'
import { requireDomain } from '../domains/domains.ts'
import { inboxDeleted, inboxGone, inboxUpdated } from '../events/log/resource-events.ts'
import { enqueue } from '../jobs/jobs.ts'
import { stateOf } from '../tenants/organization-state.ts'
import { revokeAccess } from '../tenants/revoke-access.ts'
import { addInbox } from './add-inbox.ts'
import type { CreatedInbox, Inbox, InboxChange, InboxLimits, Metadata, NewInbox } from './inbox.ts'
import { parseInboxAddress, postmasterAddress, requireNameAllowed } from './inbox-address.ts'
import { applyMetadata } from './inbox-metadata.ts'
import { showInbox } from './show-inbox.ts'
import { randomSuffix, randomUsername } from './username.ts'

export interface Inboxes {
  /**
   * @param within the pod of the new inbox; defaults to the default pod, or the key's own pod
   * With days of retention also `message_delete`.
   *
   * @returns the new inbox, or the existing one if the clientId was used before in this pod, to a key that has not created
   *   it only with `inbox_read`
   * @throws validation_error, resource_taken, domain_not_available, missing_permission, narrow_key, not_found;
   *         limit_exceeded; forbidden for a reserved name (inbox-address.ts)
   */
  create(actor: Actor, within: Within, request: NewInbox): Promise<CreatedInbox>
  /** Lists inboxes, newest first. */
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<Inbox>>
  /** @param ref address or id @throws not_found */
  get(actor: Actor, within: Within, ref: string): Promise<Inbox>
  /**
   * Limits: an agent does not change what its tenant has set for it.
   *
   * @throws validation_error when it changes nothing, not_found, missing_permission; forbidden to pause the postmaster;
   *   narrow_key for a key of one inbox that changes limits
   */
  update(actor: Actor, within: Within, ref: string, change: InboxChange): Promise<Inbox>
  /**
   * Hides the inbox at once; a job deletes its mail (mail/accounts/remove-inbox.ts).
   *
   * @throws not_found, missing_permission
   */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
}

/** The job that deletes the mail of a deleted inbox (mail/accounts/remove-inbox.ts). */
export const REMOVE_INBOX = 'remove-inbox'

const TAKEN_FIX = 'Choose another name. With a client_id, a repeated call returns the inbox that the first one created.'

interface InboxesNeeds {
  readonly store: Store
  readonly config: Pick<
    Config,
    'domain' | 'inboxBytesMax' | 'inboxMessagesMax' | 'organizationInboxesMax' | 'retentionDays' | 'senderChallenges'
  >
  readonly random: (bytes: number) => Buffer
  readonly limits: Limits
}

export function createInboxes({ store, config, random, limits }: InboxesNeeds): Inboxes {
  const sharedDomain = config.domain

  return {
    async create(actor, within, request) {
      const clientId = parseClientId(request.clientId)
      checkDisplayName(request.displayName)
      refuseChallenges(request.challengesSenders)
      const metadata = applyMetadata({}, request.metadata ?? {}, limits)
      const name = request.username ?? randomUsername(random)
      const username = request.hasRandomSuffix ? `${name}-${randomSuffix(random)}` : name

      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        requireKeyScope(keyOf(actor), 'pod')
        if (request.limits?.retentionDays !== null) requireRetentionAllowed(actor, request.limits) // null: as if absent
        await requireLimitsAllowed(tx, actor, request.limits)
        const scope = await requireScope(tx, actor, 'inbox_create', within)
        const podId = scope.podId ?? (await defaultPodId(tx, scope))
        // Another pod's client_id is another name. Otherwise a pod could reserve the names that others are going to use.
        const existing = clientId === undefined ? undefined : await inboxes.getByClientId(tx, podId, clientId)
        if (existing) {
          requireOwnOrReadable(actor, existing, 'inbox_read')
          return showInbox(existing)
        }

        const domainName = (request.domain ?? sharedDomain).toLowerCase()
        const domain = await requireDomain(tx, scope, domainName)
        const address = parseInboxAddress(username, domainName)
        const isFromSignUp = (await stateOf(tx, scope.organizationId)) !== undefined
        requireNameAllowed(keyOf(actor), domain, address, isFromSignUp)
        const row = {
          organization_id: scope.organizationId,
          pod_id: podId,
          domain_id: domain.id,
          address,
          display_name: request.displayName ?? null,
          client_id: clientId ?? null,
          metadata: Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata),
          status: request.status ?? 'active',
          ...limitColumns(request.limits),
          ...challengeColumn(request.challengesSenders),
        }
        const takenFix = clientId === undefined ? TAKEN_FIX : undefined
        const inbox = await addInbox(tx, actorName(actor), row, limits, takenFix)
        await requireInboxesWithin(tx, scope.organizationId)
        const { appPasswordName } = request
        if (appPasswordName === undefined || !hasPermission(actor, 'api_key_create')) return inbox
        const own = { organizationId: scope.organizationId, podId, inboxId: inbox.id }
        const appPassword = await addAppPassword(tx, actor, own, { name: appPasswordName }, { random, limits })
        return { ...inbox, appPassword }
      })
    },

    async list(actor, within, page) {
      const scope = await requireScope(store.db, actor, 'inbox_read', within)
      return listPage(page, limits, {
        filter: { list: 'inboxes', ...scope },
        select: (keyset) => inboxes.list(store.db, scope, keyset),
        show: (rows) => rows.map(showInbox),
      })
    },

    async get(actor, within, ref) {
      return showInbox(await requireInboxWithin(store.db, actor, 'inbox_read', within, ref))
    },

    async update(actor, within, ref, change) {
      if (Object.values(change).every((value) => value === undefined)) {
        const detail =
          'Send display_name, status, metadata, quota_bytes, quota_messages, retention_days or challenge_senders'
        throw new MailError('validation_error', { detail })
      }
      if (change.metadata && Object.keys(change.metadata).length === 0) {
        throw new MailError('validation_error', {
          detail: 'metadata is empty; send null to remove all of it',
          path: ['metadata'],
        })
      }
      checkDisplayName(change.displayName ?? undefined)
      refuseChallenges(change.challengesSenders)

      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const row = await lockWithin(tx, actor, 'inbox_update', within, ref)
        if (change.limits) requireKeyScope(keyOf(actor), 'pod')
        requireRetentionAllowed(actor, change.limits)
        await requireLimitsAllowed(tx, actor, change.limits)
        if (change.status === 'paused' && isPostmaster(row)) {
          throw new MailError('forbidden', { detail: 'The postmaster inbox cannot be paused' })
        }
        const changed: InboxRow = {
          ...row,
          status: statusAfter(row, change),
          display_name: change.displayName === undefined ? row.display_name : change.displayName,
          metadata: change.metadata === undefined ? row.metadata : mergedMetadata(row.metadata, change.metadata),
          ...limitColumns(change.limits),
          ...challengeColumn(change.challengesSenders),
          updated_at: tx.now,
        }
        const { display_name, metadata, status, updated_at } = changed
        const { quota_bytes, quota_messages, retention_days, challenge_senders } = changed
        const limited = { quota_bytes, quota_messages, retention_days, challenge_senders }
        await inboxes.update(tx, row.id, { display_name, metadata, status, ...limited, updated_at })
        // Mail of this server for it has been waiting in the queue, with longer and longer pauses.
        if (row.status === 'paused' && status !== 'paused') await queue.makeDue(tx, splitAddress(row.address))
        const inbox = showInbox(changed)
        tx.append(inboxUpdated({ actor: actorName(actor), inbox }))
        return inbox
      })
    },

    async delete(actor, within, ref) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const row = await lockWithin(tx, actor, 'inbox_delete', within, ref)
        if (isPostmaster(row)) {
          throw new MailError('cannot_delete', { detail: 'The postmaster inbox cannot be deleted' })
        }
        // client_id is free at once: the agent may create its successor while the mail is still being deleted.
        await inboxes.update(tx, row.id, { deleting_at: tx.now, updated_at: tx.now, client_id: null })
        await tenants.addInboxCount(tx, row.pod_id, -1)
        await revokeAccess(tx, actor, 'inbox_id', row)
        const domainIds = await aliases.removeByInbox(tx, row.id)
        await domains.removeCatchAll(tx, row.id)
        for (const id of domainIds) await domains.removeUnused(tx, id)
        await enqueue(tx, { kind: REMOVE_INBOX, key: row.id, payload: { inboxId: row.id } })
        const about = { actor: actorName(actor), inbox: showInbox(row) }
        tx.append(inboxDeleted(about))
        tx.append(inboxGone(about))
      })
    },
  }

  function isPostmaster({ address }: Pick<InboxRow, 'address'>): boolean {
    return address === postmasterAddress(sharedDomain)
  }

  /** What the operator has set, a tenant can lower; only the operator's own key can raise it. @throws narrow_key */
  async function requireLimitsAllowed(tx: Tx, actor: Actor, asked: InboxLimits = {}): Promise<void> {
    const pairs = [
      [asked.quotaBytes, config.inboxBytesMax],
      [asked.quotaMessages, config.inboxMessagesMax],
      [asked.retentionDays, config.retentionDays],
    ] as const
    const isMore = pairs.some(([value, max]) => typeof value === 'number' && max > 0 && (value === 0 || value > max))
    if (isMore) await requireRootKey(tx, actor)
  }

  /** An option without effect would be believed. @throws validation_error */
  function refuseChallenges(asked: boolean | null | undefined): void {
    if (!asked || config.senderChallenges !== 'off') return
    const detail = 'This server sends no challenges; its operator can allow them (MARTLET_SENDER_CHALLENGES)'
    throw new MailError('validation_error', { detail, path: ['challenge_senders'] })
  }

  /** The postmaster's inbox does not count: the server has made it. @throws limit_exceeded */
  async function requireInboxesWithin(tx: Tx, organizationId: string): Promise<void> {
    const max = config.organizationInboxesMax
    if (max === 0) return
    await tenants.lockOrganization(tx, organizationId)
    const count = await tenants.countInboxes(tx, organizationId)
    if (count <= max) return
    const postmaster = await inboxes.getByAddress(tx, postmasterAddress(sharedDomain))
    if (postmaster?.organization_id === organizationId && count - 1 <= max) return
    throw new MailError('limit_exceeded', { what: 'inboxes in an organization', max })
  }

  function checkDisplayName(name: string | undefined): void {
    // The name becomes part of From: a line break would start another header field.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused
    if (name === undefined || (name.length <= limits.messages.displayNameCharsMax && !/[\x00-\x1f\x7f]/.test(name)))
      return
    const detail = `display_name can have at most ${limits.messages.displayNameCharsMax} characters and no line breaks`
    throw new MailError('validation_error', { detail, path: ['display_name'] })
  }

  function mergedMetadata(stored: string | null, change: Parameters<typeof applyMetadata>[1] | null): string | null {
    if (change === null) return null
    const merged = applyMetadata(stored === null ? {} : (JSON.parse(stored) as Metadata), change, limits)
    return Object.keys(merged).length === 0 ? null : JSON.stringify(merged)
  }
}

/** A key that may not delete messages must not let them expire. @throws missing_permission */
function requireRetentionAllowed(actor: Actor, { retentionDays }: InboxLimits = {}): void {
  if (retentionDays !== undefined) requirePermission(actor, 'message_delete')
}

function limitColumns({ quotaBytes, quotaMessages, retentionDays }: InboxLimits = {}) {
  return {
    ...(quotaBytes !== undefined && { quota_bytes: quotaBytes }),
    ...(quotaMessages !== undefined && { quota_messages: quotaMessages }),
    ...(retentionDays !== undefined && { retention_days: retentionDays }),
  }
}

function challengeColumn(challenges: boolean | null | undefined): { challenge_senders?: number | null } {
  if (challenges === undefined) return {}
  return { challenge_senders: challenges === null ? null : challenges ? 1 : 0 }
}

function statusAfter({ status }: Pick<InboxRow, 'status'>, change: InboxChange): InboxRow['status'] {
  if (change.isSendPaused === undefined) return change.status ?? status
  if (!change.isSendPaused) return 'active'
  return status === 'active' ? 'send_paused' : status
}

/** Returns the inbox if it is in the actor's scope and in the pod that the route names. */
async function requireInboxWithin(
  db: Db,
  actor: Actor,
  permission: Permission,
  within: Within,
  ref: string,
): Promise<InboxRow> {
  const scope = within.pod === undefined ? undefined : await requireScope(db, actor, permission, within)
  const row = await requireInbox(db, actor, permission, ref)
  if (scope && scope.podId !== row.pod_id) throw new MailError('not_found', { what: 'Inbox' })
  return row
}

/** The same, and locks the inbox for this transaction. */
async function lockWithin(
  tx: Tx,
  actor: Actor,
  permission: Permission,
  within: Within,
  ref: string,
): Promise<InboxRow> {
  await lockInbox(tx, actor, permission, ref)
  return requireInboxWithin(tx, actor, permission, within, ref)
}

async function defaultPodId(db: Db, scope: Scope): Promise<string> {
  const pod = await tenants.getDefaultPod(db, scope.organizationId)
  if (!pod) throw new Error(`organization ${scope.organizationId} has no default pod`) // created together
  return pod.id
}
