/**
 * The delivery log of a webhook: each delivery, its attempts and their outcomes.
 *
 * A body contains mail, and a response may repeat it. Both are shown only to a key that may see the event itself
 * (`message_read`, the permission of its type, and those of the classes that hid its message then or hide it now).
 * Secrets and custom header fields of a request are not stored in the log. Redelivery needs no permission to read mail,
 * but the webhook must still be subscribed to the event and may still read its message: its URL may now belong to a
 * party that may see less than the earlier one.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookAttemptRow, WebhookDeliveryState, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import { type LoggedWebhookDeliveryRow, lockByEvents } from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhookLog from '../../../store/tables/webhook-log-table.ts'
import { assertKeyUnchanged, hasPermission, requirePermission } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import { closePage, openPage, type Page, type PageRequest } from '../../access/paging/page-tokens.ts'
import { hiddenClasses, type Permission } from '../../access/permissions.ts'
import { getEventType, permissionsToSee } from '../../events/log/event-types.ts'
import { mayReadEvent, missingForEvent, type PresentClasses, presentClasses } from '../../messages/readable.ts'
import { fillPage, inOrder } from '../../messages/scanning.ts'
import { lockWebhook, requireWebhook } from '../config/webhook-lookup.ts'
import { matcherOf, matches } from '../dispatch/matching.ts'
import { checkEnabled, redeliver } from './redeliver.ts'
import { decompressBody } from './webhook-body.ts'

export interface LoggedWebhookDelivery {
  readonly id: string
  readonly eventId: string
  readonly eventType: string
  readonly state: WebhookDeliveryState
  /** Oldest first. */
  readonly attempts: readonly LoggedWebhookAttempt[]
  /** Present while the delivery is pending. A time in the past means: due, or being sent. */
  readonly nextAttemptAt?: number
  readonly createdAt: number
  readonly updatedAt: number
  /** The exact bytes of each attempt, as text; present only when the delivery is requested by its id. */
  readonly body?: string
}

export interface LoggedWebhookAttempt {
  /** 1, 2, … The count continues after a redelivery. */
  readonly attempt: number
  /** delivered, retry, failed, gone. */
  readonly outcome: string
  /** Absent when there was no response. */
  readonly code?: number
  /** The beginning of the response body; untrusted text. */
  readonly response?: string
  /** Why there was no response. */
  readonly error?: string
  readonly startedAt: number
  readonly durationMs: number
}

export interface LogFilter {
  /** Empty or undefined: all. */
  readonly states?: readonly WebhookDeliveryState[] | undefined
  readonly eventTypes?: readonly string[] | undefined
  /** When the delivery was created, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Every call throws not_found, missing_permission, forbidden, unknown_api_key. */
export interface WebhookDeliveryLog {
  /** Newest event first. @throws invalid_page_token */
  list(
    actor: Actor,
    within: Within,
    ref: string,
    filter: LogFilter,
    page: PageRequest,
  ): Promise<Page<LoggedWebhookDelivery>>
  /** Includes the body, so it needs the permissions that the event itself needs. */
  get(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedWebhookDelivery>
  /**
   * Sends the delivery again, under the same id and with the same bytes; the retry schedule starts again. A delivery
   * that waits for a retry becomes due at once; one that is being sent is not changed.
   *
   * @throws webhook_disabled; event_not_told when the webhook is no longer subscribed to such events
   */
  redeliver(actor: Actor, within: Within, ref: string, deliveryId: string): Promise<LoggedWebhookDelivery>
}

interface DeliveryLogNeeds {
  readonly store: Store
  /** The profile whose webhooks it finds. */
  readonly profileName: string
  /** Called after a commit, with webhooks that have due deliveries. */
  readonly signalPending: (webhookIds: readonly string[]) => void
  readonly limits: Limits
}

export function createWebhookDeliveryLog({
  store,
  profileName,
  signalPending,
  limits,
}: DeliveryLogNeeds): WebhookDeliveryLog {
  return {
    async list(actor, within, ref, filter, page) {
      const { row: webhook } = await requireWebhook(store.db, actor, 'webhook_read', {
        within,
        ref,
        profile: profileName,
      })
      const { states = [], eventTypes = [], before, after } = filter
      const criteria = { webhookId: webhook.id, states, eventTypes, before, after }
      const window = openPage(page, criteria, { default: limits.lists.pageDefault, max: limits.lists.pageMax })
      const { ids, last } = await fillPage(window, limits, (keyset) => webhookLog.scan(store.db, criteria, keyset))
      const rows = inOrder(ids, await webhookLog.listByIds(store.db, ids))
      return closePage(await showDeliveries(store.db, actor, rows), window, criteria, last)
    },

    async get(actor, within, ref, id) {
      const { row: webhook } = await requireWebhook(store.db, actor, 'webhook_read', {
        within,
        ref,
        profile: profileName,
      })
      requirePermission(actor, 'message_read') // the body is a message
      const row = await webhookLog.getByWebhook(store.db, webhook.id, id)
      if (!row) throw new MailError('not_found', { what: 'Delivery' })
      const [event] = await events.listByNumbers(store.db, [row.seq])
      const present = await presentClasses(store.db, event ? [{ actor: actor, event }] : [])
      const permission = missingToSee(actor, row.event_type, event, present)
      if (permission) throw new MailError('missing_permission', { permission })
      const [shown] = await showDeliveries(store.db, actor, [row])
      return { ...shown!, ...(row.body !== null && { body: decompressBody(row.body) }) }
    },

    async redeliver(actor, within, ref, id) {
      // Shown inside the transaction: a call that is repeated after a late error would send the event twice.
      const { webhookId, shown } = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const { row: webhook } = await lockWebhook(tx, actor, 'webhook_update', { within, ref, profile: profileName })
        checkEnabled(webhook)
        const found = await webhookLog.getByWebhook(tx, webhook.id, id)
        const [row] = found ? await lockByEvents(tx, webhook.id, [found.seq]) : []
        if (!row) throw new MailError('not_found', { what: 'Delivery' })
        const [event] = await events.listByNumbers(tx, [row.seq])
        if (!event || !(await mayStillSee(tx, webhook, event))) throw new MailError('event_not_told', {})
        await redeliver(tx, webhook, [{ row, inboxId: event.inbox_id }])
        const [shown] = await showDeliveries(tx, actor, await webhookLog.listByIds(tx, [row.id]))
        return { webhookId: webhook.id, shown: shown! } // it is locked
      })
      signalPending([webhookId])
      return shown
    },
  }
}

async function mayStillSee(db: Db, webhook: WebhookRow, eventRow: EventRow): Promise<boolean> {
  const matcher = matcherOf(webhook)
  const present = await presentClasses(db, [{ actor: matcher.actor, event: eventRow }])
  return (
    matches(matcher, { eventRow, payload: JSON.parse(eventRow.payload) as Record<string, unknown> }) &&
    mayReadEvent(matcher.actor, eventRow, present)
  )
}

async function showDeliveries(
  db: Db,
  actor: Actor,
  rows: readonly LoggedWebhookDeliveryRow[],
): Promise<LoggedWebhookDelivery[]> {
  const attempts = await webhookLog.listAttempts(
    db,
    rows.map(({ id }) => id),
  )
  const found = await events.listByNumbers(
    db,
    rows.map(({ seq }) => seq),
  )
  const bySeq = new Map(found.map((event) => [event.seq, event]))
  const present = await presentClasses(
    db,
    found.map((event) => ({ actor: actor, event })),
  )
  return rows.map((row) => {
    const isShown = missingToSee(actor, row.event_type, bySeq.get(row.seq), present) === undefined
    return {
      id: row.id,
      eventId: row.event_id,
      eventType: row.event_type,
      state: row.state,
      attempts: attempts.filter((each) => each.delivery_id === row.id).map((each) => showAttempt(each, isShown)),
      ...(row.state === 'pending' && { nextAttemptAt: row.next_attempt_at }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}

function showAttempt(row: WebhookAttemptRow, isShown: boolean): LoggedWebhookAttempt {
  return {
    attempt: row.attempt,
    outcome: row.outcome,
    ...(row.code !== null && { code: row.code }),
    ...(row.response !== null && isShown && { response: row.response }),
    ...(row.error !== null && { error: row.error }),
    startedAt: row.started_at,
    durationMs: row.ended_at - row.started_at,
  }
}

/**
 * Returns a permission that the actor lacks to see an event. The classes that hid its message then and those that hide
 * it now both count. An event that retention has removed may have been hidden by any class.
 */
function missingToSee(
  actor: Actor,
  type: string,
  event: EventRow | undefined,
  present: PresentClasses,
): Permission | undefined {
  const own = getEventType(type)?.permission
  const hidden = event
    ? permissionsToSee(JSON.parse(event.payload) as Record<string, unknown>)
    : hiddenClasses.map(({ permission }) => permission)
  const needed: Permission[] = ['message_read', ...(own ? [own] : []), ...hidden]
  const lacking = needed.find((permission) => !hasPermission(actor, permission))
  return lacking ?? (event && missingForEvent(actor, event, present))
}
