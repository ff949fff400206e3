/**
 * Creates, lists and deletes entries of allow and block lists. Each organization, pod and inbox has lists of its own.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { ListEntryRow } from '../../../store/schema/list-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import * as tenants from '../../../store/tables/tenants-table.ts'
import {
  assertKeyUnchanged,
  keyOf,
  lockInbox,
  requireInbox,
  requireKeyScope,
  requireRootKey,
  requireScope,
} from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import { closePage, openPage, type Page, type PageRequest } from '../../access/paging/page-tokens.ts'
import type { Permission } from '../../access/permissions.ts'
import { requireVerified } from '../../tenants/organization-state.ts'
import { entryTypeOf, type ListEntry, type ListName, normaliseEntry, parseEntry, parseNewEntry } from './list-entry.ts'

/**
 * `within` selects the lists of an inbox, of a pod, or, if it names neither, of the organization. All functions throw
 * missing_permission and not_found; and forbidden for lists outside the scope of the key: those of the organization need
 * a key of the organization.
 */
export interface Lists {
  /**
   * @returns the new entry, or the existing one, unchanged
   * @throws validation_error; limit_exceeded; organization_unverified
   */
  create(
    actor: Actor,
    within: Within,
    list: ListName,
    request: { readonly entry: string; readonly reason?: string | undefined },
  ): Promise<ListEntry>
  /** Lists the entries of one list in the order of their text. @throws invalid_page_token */
  list(actor: Actor, within: Within, list: ListName, page: PageRequest): Promise<Page<ListEntry>>
  /** @param entry in any form that `create` accepts */
  get(actor: Actor, within: Within, list: ListName, entry: string): Promise<ListEntry>
  /** @throws cannot_delete for an entry that the server made */
  delete(actor: Actor, within: Within, list: ListName, entry: string): Promise<void>
  /**
   * Removes the entries that the server made because mail to the address bounced. The root key only: mail that bounces again and again
   * harms the reputation of the server, and not only of one organization.
   *
   * @param organizationId undefined: in all organizations
   * @returns the ids of the organizations that had one
   * @throws narrow_key, validation_error
   */
  removeSuppression(actor: Actor, address: string, organizationId?: string): Promise<readonly string[]>
}

/** The organization, pod or inbox that has the lists. */
interface ListOwner {
  readonly id: string
  readonly organizationId: string
  readonly podId?: string
  readonly inbox?: { readonly id: string; readonly address: string }
}

interface ListsNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createLists({ store, limits }: ListsNeeds): Lists {
  return {
    async create(actor, within, list, request) {
      const entry = parseNewEntry(request.entry)
      const reason = parseReason(request.reason)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const owner = await lockOwner(tx, actor, within)
        const key = { ...keyOfList(owner, list), entry }
        const existing = await listEntries.get(tx, key)
        if (existing) return showEntry(existing, owner)
        await requireVerified(tx, owner.organizationId, 'change its lists')
        const { perListMax } = limits.listEntries
        if ((await listEntries.countOfClients(tx, key, perListMax)) >= perListMax) {
          throw new MailError('limit_exceeded', { what: 'entries in a list', max: perListMax })
        }
        const row: ListEntryRow = {
          ...key,
          organization_id: owner.organizationId,
          pod_id: owner.podId ?? null,
          inbox_id: owner.inbox?.id ?? null,
          reason: reason ?? null,
          read_only: 0,
          created_at: tx.now,
        }
        await listEntries.insertMissing(tx, [row])
        return showEntry(row, owner)
      })
    },

    async list(actor, within, list, page) {
      const owner = await requireOwner(store.db, actor, 'list_entry_read', within)
      const key = keyOfList(owner, list)
      const { pageDefault, pageMax } = limits.lists
      // An entry is its own sort key; the tokens of other lists also have a number.
      const window = openPage({ ...page, ascending: true }, key, { default: pageDefault, max: pageMax })
      const found = await listEntries.list(store.db, key, { limit: window.limit + 1, after: window.after?.id })
      const rows = found.slice(0, window.limit)
      const last = found.length > rows.length ? rows.at(-1) : undefined
      const items = rows.map((row) => showEntry(row, owner))
      return closePage(items, window, key, last && { key: 0, id: last.entry })
    },

    async get(actor, within, list, entry) {
      const owner = await requireOwner(store.db, actor, 'list_entry_read', within)
      return showEntry(await requireEntry(store.db, owner, list, entry), owner)
    },

    async delete(actor, within, list, entry) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const owner = await requireOwner(tx, actor, 'list_entry_delete', within)
        const row = await requireEntry(tx, owner, list, entry)
        if (row.read_only === 1) {
          const reason = list.type === 'block' ? 'mail to it bounced' : 'it is the human of this agent'
          const detail = `${row.entry} was added by the server because ${reason}; it cannot be deleted`
          throw new MailError('cannot_delete', { detail })
        }
        await listEntries.remove(tx, row)
      })
    },

    async removeSuppression(actor, address, organizationId) {
      const entry = parseEntry(address)
      return store.transaction(async (tx) => {
        await requireRootKey(tx, actor)
        const rows = await listEntries.listSuppressions(tx, entry, organizationId)
        for (const row of rows) await listEntries.remove(tx, row)
        return rows.map((row) => row.organization_id)
      })
    },
  }

  function parseReason(reason: string | undefined): string | undefined {
    const { reasonCharsMax } = limits.listEntries
    if (reason === undefined || (reason.length <= reasonCharsMax && !reason.includes('\0'))) return reason
    const detail = `reason can have at most ${reasonCharsMax} characters and no NUL`
    throw new MailError('validation_error', { detail, path: ['reason'] })
  }
}

async function requireOwner(db: Db, actor: Actor, permission: Permission, within: Within): Promise<ListOwner> {
  if (within.inbox !== undefined) {
    const { id, address, organization_id, pod_id } = await requireInbox(db, actor, permission, within.inbox)
    return { id, organizationId: organization_id, podId: pod_id, inbox: { id, address } }
  }
  if (within.pod === undefined) requireKeyScope(keyOf(actor), 'organization')
  const { organizationId, podId } = await requireScope(db, actor, permission, within)
  return { id: podId ?? organizationId, organizationId, ...(podId !== undefined && { podId }) }
}

/** As requireOwner, and locks the inbox, pod or organization: it is not deleted, and its lists do not grow over the limit meanwhile. */
async function lockOwner(tx: Tx, actor: Actor, within: Within): Promise<ListOwner> {
  if (within.inbox !== undefined) await lockInbox(tx, actor, 'list_entry_create', within.inbox)
  const owner = await requireOwner(tx, actor, 'list_entry_create', within)
  if (owner.inbox !== undefined) return owner
  if (owner.podId === undefined) await tenants.lockOrganization(tx, owner.id)
  else if (!(await tenants.lockPod(tx, owner.id))) throw new MailError('not_found', { what: 'Pod' }) // just deleted
  return owner
}

function keyOfList(owner: ListOwner, { direction, type }: ListName): listEntries.ListKey {
  return { scope_id: owner.id, direction, list_type: type }
}

async function requireEntry(db: Db, owner: ListOwner, list: ListName, text: string): Promise<ListEntryRow> {
  const entry = normaliseEntry(text)
  const row = entry === undefined ? undefined : await listEntries.get(db, { ...keyOfList(owner, list), entry })
  if (!row) throw new MailError('not_found', { what: 'List entry' })
  return row
}

function showEntry(row: ListEntryRow, owner: ListOwner): ListEntry {
  return {
    entry: row.entry,
    entryType: entryTypeOf(row.entry),
    direction: row.direction,
    type: row.list_type,
    organizationId: row.organization_id,
    ...(row.pod_id !== null && { podId: row.pod_id }),
    ...(owner.inbox && { inboxAddress: owner.inbox.address }),
    ...(row.reason !== null && { reason: row.reason }),
    isReadOnly: row.read_only === 1,
    createdAt: row.created_at,
  }
}
