/**
 * Manual queue changes: lists open recipients, and holds, releases, cancels or retries them. Each change is one
 * transaction with an entry in the recipient's history and its event. A recipient with a running delivery attempt is
 * left alone, since its outcome is about to be written (docs/adr/0014).
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { normaliseAddress, normaliseDomain } from '../../../formats/address/address.ts'
import { isUuid } from '../../../formats/ids.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as queue from '../../../store/tables/queue-table.ts'
import { assertKeyUnchanged, forbiddenMask, requireInbox, requireScope } from '../../access/access.ts'
import { type Actor, actorName, type Within } from '../../access/actor.ts'
import { listPage } from '../../access/paging/list-page.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'
import type { Permission } from '../../access/permissions.ts'
import type { DiscardBlobs } from '../../messages/content/discard-blobs.ts'
import { requireMessage } from '../../messages/views/message-lookup.ts'
import {
  appendChangeEvents,
  columnsAfter,
  type OpenState,
  type QueueAction,
  type Route,
  statesBefore,
} from './queue-change.ts'
import { type ShownRecipient, showRecipient } from './shown-recipient.ts'

/** One recipient without a final state. */
export interface OpenRecipient extends ShownRecipient<OpenState> {
  /** `message`: sent by an agent; the others are Martlet's own mail. */
  readonly kind: SubmissionRow['kind']
  /** Address of the inbox that sent it; absent once that is deleted. */
  readonly inboxAddress?: string
  /** Message-ID, thread and subject of its message: absent once that is deleted, and if the key may not see it. */
  readonly messageId?: string
  readonly threadId?: string
  readonly subject?: string
}

/** Filters open recipients. All given conditions must match. */
export interface OpenFilter {
  readonly state?: OpenState | undefined
  /** Domain of the recipient's address. */
  readonly domain?: string | undefined
  /** Address or id of the inbox that sent it. */
  readonly inbox?: string | undefined
  /** Needs an inbox, since a Message-ID is unique only there. */
  readonly message?: string | undefined
}

/**
 * Selects the recipients of a change. At least one condition is required: an empty selection never means everything.
 */
export interface Selection extends OpenFilter {
  readonly ids?: readonly string[] | undefined
  /** Recipients' addresses. */
  readonly addresses?: readonly string[] | undefined
  /** Everything in scope that matches the other conditions. */
  readonly isAll?: boolean | undefined
}

export interface Changed {
  readonly changed: number
  /** Left unchanged because a delivery attempt is running: repeat the call. */
  readonly busy: number
  /** More recipients match than one call changes: repeat the call to continue. */
  readonly isMore: boolean
}

export interface Queue {
  /** Newest first. @throws not_found, missing_permission, validation_error, invalid_page_token */
  list(actor: Actor, within: Within, filter: OpenFilter, page: PageRequest): Promise<Page<OpenRecipient>>
  /**
   * Changes up to limits.delivery.queueChangeMax recipients, the oldest first, in one transaction with the history and
   * events. A recipient in another state is skipped.
   *
   * @param route for a release, instead of the configured one
   * @throws not_found, missing_permission, validation_error
   */
  change(actor: Actor, within: Within, action: QueueAction, selection: Selection, route?: Route): Promise<Changed>
}

interface QueueNeeds {
  readonly store: Store
  readonly clock: () => number
  readonly discardBlobs: DiscardBlobs
  /** The route of a release that names none; undefined: the route that the configuration sets for all mail. */
  readonly defaultRoute: Route | undefined
  readonly hasRelay: boolean
  readonly limits: Limits
}

/** A change of more recipients is committed apart from short transactions. */
const SHORT_CHANGE_IDS_MAX = 20

export function createQueue({ store, clock, discardBlobs, defaultRoute, hasRelay, limits }: QueueNeeds): Queue {
  return {
    async list(actor, within, filter, page) {
      const criteria = await criteriaOf(store.db, actor, 'message_read', within, filter)
      return listPage(page, limits, {
        filter: criteria,
        select: (keyset) => queue.listOpen(store.db, criteria, keyset, store.leaseNow()),
        show: (rows) => show(store.db, actor, rows, clock()),
      })
    },

    async change(actor, within, action, selection, route) {
      checkSelection(selection)
      if (route !== undefined && action !== 'release') throw invalid('route', 'route can only be set for a release')
      if (route === 'relay' && !hasRelay) throw invalid('route', 'There is no relay: MARTLET_RELAY_URL is not set')
      const from = statesBefore(action)
      const run = async (tx: Tx) => {
        await assertKeyUnchanged(tx, actor)
        const criteria = await criteriaOf(tx, actor, 'message_send', within, selection)
        const matching = { ...criteria, states: from.filter((state) => criteria.states.includes(state)) }
        if (matching.states.length === 0) return { changed: { changed: 0, busy: 0, isMore: false }, blobs: [] }
        const found = await queue.listFree(tx, matching, {
          limit: limits.delivery.queueChangeMax + 1,
          dueAfter: action === 'retry' ? tx.now : undefined,
        })
        const ids = found.slice(0, limits.delivery.queueChangeMax)
        await lockInboxes(tx, await queue.inboxIdsOf(tx, ids))
        const rows = await queue.change(tx, ids, from, columnsAfter(tx, actor, action, route ?? defaultRoute ?? null))
        const blobs = await appendChangeEvents(tx, actor, action, rows)
        const isMore = found.length > ids.length
        const busy = isMore ? 0 : await queue.countBusy(tx, matching) // once, at the end
        return { changed: { changed: rows.length, busy, isMore }, blobs }
      }
      const { changed, blobs } = await store.transaction(run, { fairnessKey: fairnessKeyOf(actor, selection) })
      await discardBlobs(blobs)
      return changed
    },
  }

  /** Resolves a filter into a predicate. @throws not_found, missing_permission, validation_error */
  async function criteriaOf(
    db: Db,
    actor: Actor,
    permission: Permission,
    within: Within,
    filter: OpenFilter & Pick<Selection, 'ids' | 'addresses'>,
  ): Promise<queue.OpenCriteria> {
    const scope = await requireScope(db, actor, permission, within)
    const inbox = filter.inbox === undefined ? undefined : await requireInbox(db, actor, permission, filter.inbox)
    const isElsewhere =
      inbox &&
      ((scope.inboxId !== undefined && scope.inboxId !== inbox.id) ||
        (scope.podId !== undefined && scope.podId !== inbox.pod_id))
    if (isElsewhere) throw new MailError('not_found', { what: 'Inbox' })
    const inboxId = inbox?.id ?? scope.inboxId
    if (filter.message !== undefined && inboxId === undefined) {
      throw invalid('message_id', 'message_id needs inbox_id: a Message-ID is unique in its inbox only')
    }
    const message = filter.message === undefined ? undefined : await requireMessage(db, actor, inboxId!, filter.message)
    const domain = filter.domain === undefined ? undefined : normaliseDomain(filter.domain)
    if (filter.domain !== undefined && domain === undefined) throw invalid('domain', 'domain is not a domain name')
    for (const [name, named] of [['recipient_ids', filter.ids] as const, ['recipients', filter.addresses] as const]) {
      if ((named?.length ?? 0) <= limits.delivery.queueChangeMax) continue
      throw invalid(name, `At most ${limits.delivery.queueChangeMax} recipients can be named in one call`)
    }
    return {
      ...scope,
      hiddenMask: forbiddenMask(actor),
      ...(inboxId !== undefined && { inboxId }),
      ...(message && { messageId: message.id }),
      ...(domain !== undefined && { domain }),
      ...(filter.ids && { ids: filter.ids.filter(isUuid) }), // text that is no id matches nothing
      ...(filter.addresses && { addresses: filter.addresses.flatMap((each) => normaliseAddress(each) ?? []) }),
      states: filter.state === undefined ? ['queued', 'held'] : [filter.state],
    }
  }
}

/** Returns the key of a change that can be long: of more than a few recipients. */
function fairnessKeyOf(actor: Actor, { ids }: Selection): string | undefined {
  if (ids !== undefined && ids.length <= SHORT_CHANGE_IDS_MAX) return undefined
  return actor.kind === 'key' ? `organization ${actor.organizationId}` : actorName(actor)
}

/** Refuses an empty filter, since it is more often a mistake than intended. @throws validation_error */
function checkSelection({ ids, addresses, domain, inbox, message, isAll }: Selection): void {
  if (isAll || [ids, addresses, domain, inbox, message].some((each) => each !== undefined)) return
  throw new MailError('validation_error', {
    detail: 'Select recipients with recipient_ids, message_id with inbox_id, inbox_id, domain, or all: true',
  })
}

/** Locks the inboxes, since a change reads and updates labels. The order is fixed, so two changes cannot deadlock. */
async function lockInboxes(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const id of ids.toSorted()) await inboxes.lockEvenIfDeleting(tx, id)
}

async function show(db: Db, actor: Actor, rows: readonly queue.OpenRow[], now: number): Promise<OpenRecipient[]> {
  const ids = rows.flatMap((row) => row.message_id ?? [])
  const mask = forbiddenMask(actor)
  const found = (await messages.listByIds(db, [...new Set(ids)])).filter((message) => (message.hidden & mask) === 0)
  const messageOf = new Map(found.map((message) => [message.id, message]))
  const addresses = await inboxes.addresses(db, [...new Set(rows.flatMap((row) => row.inbox_id ?? []))])
  return rows.map((row) => {
    const message = messageOf.get(row.message_id ?? '')
    const inboxAddress = addresses.get(row.inbox_id ?? '')
    return {
      ...showRecipient({ ...row, state: row.state as OpenState }, now), // by the query
      kind: row.kind,
      ...(inboxAddress !== undefined && { inboxAddress }),
      ...(message && { messageId: message.api_message_id, threadId: message.thread_id }),
      ...(message?.subject && { subject: message.subject }),
    }
  })
}

function invalid(name: string, detail: string): MailError {
  return new MailError('validation_error', { detail, path: [name] })
}
