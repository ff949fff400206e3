/**
 * Claims due deliveries of webhooks, within the capacity that was reserved for each. Part of webhook-worker.ts. Rows that
 * may no longer be sent are cancelled, and rows without their position in the order get it; both are not returned.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import {
  claimWebhookDeliveries,
  type InterruptionBounds,
  leaseEnd,
  releaseLeases,
  UNINTERRUPTED,
} from '../../../store/leases.ts'
import type { WebhookDeliveryRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as webhookTable from '../../../store/tables/webhooks-table.ts'
import type { InterruptedWork } from '../../jobs/interrupted-work.ts'
import { advance, assignOrderingKeys, isOrdered } from '../ordering/ordering.ts'
import { cancelForbidden } from './cancel-forbidden.ts'
import type { LimitedWebhook } from './webhook-limits.ts'

/** Capacity for requests to one webhook, reserved before its rows are claimed. */
export interface Reservation {
  readonly webhook: LimitedWebhook
  /** The owner of the leases. */
  readonly owner: string
  readonly capacity: number
}

export interface ClaimedDeliveries {
  readonly webhook: WebhookRow
  readonly rows: WebhookDeliveryRow[]
  readonly owner: string
  /** The capacity that was reserved; there may be fewer rows. */
  readonly capacity: number
}

export interface WebhookClaimsNeeds {
  readonly interrupted: InterruptedWork
  readonly limits: Limits
}

/** @param onCapacityFreed called when claimed rows are not sent, so that others may use their capacity */
export function createWebhookClaims(
  { interrupted, limits }: WebhookClaimsNeeds,
  onCapacityFreed: () => void,
): (tx: Tx, wanted: readonly Reservation[], bounds: InterruptionBounds) => Promise<ClaimedDeliveries[]> {
  return claimEach

  async function claimEach(
    tx: Tx,
    wanted: readonly Reservation[],
    bounds: InterruptionBounds,
  ): Promise<ClaimedDeliveries[]> {
    let { interruptionsBelow } = bounds
    // Locked before their deliveries, as everywhere. Otherwise a claim for many webhooks, which takes some time, would be committed after
    // another node has answered that one of them is deleted, or has another URL; the request would begin after that.
    const webhooks = await webhookTable.shareLockEnabledByIds(
      tx,
      wanted.map(({ webhook }) => webhook.webhookId),
    )
    const found: ClaimedDeliveries[] = []
    for (const { webhook: reserved, owner, capacity } of wanted) {
      const { webhookId } = reserved
      const webhook = webhooks.find(({ id }) => id === webhookId)
      if (!webhook || webhook.order_state === 'enabling') continue
      const lease = { owner, untilMs: leaseEnd(tx, limits.webhooks.leaseMs), limit: capacity }
      const only = { webhookId, term: webhook.term, interrupted: { ...bounds, interruptionsBelow } }
      const rows = await claimWebhookDeliveries(tx, { ...lease, ...only })
      const sendable = await cancelForbidden(tx, webhook, await separateUnordered(tx, webhook, owner, rows))
      if (sendable.length < rows.length) onCapacityFreed() // the capacity of the cancelled rows is free for others
      if (sendable.some(interrupted.isInterrupted)) interruptionsBelow = UNINTERRUPTED
      found.push({ webhook, rows: sendable, owner, capacity })
    }
    return found
  }

  /**
   * Finds rows that were written while the webhook became ordered, so they have no ordering key yet. Gives them their
   * position in the order and releases their leases; they are sent when they are next.
   */
  async function separateUnordered(tx: Tx, webhook: WebhookRow, owner: string, rows: WebhookDeliveryRow[]) {
    const withoutKey = isOrdered(webhook) ? rows.filter(({ ordering_key }) => ordering_key === null) : []
    if (withoutKey.length === 0) return rows
    await webhookTable.lockById(tx, webhook.id)
    await releaseLeases(tx, 'webhook_deliveries', { owner, ids: withoutKey.map(({ id }) => id) })
    await advance(tx, webhook, await assignOrderingKeys(tx, withoutKey))
    onCapacityFreed()
    return rows.filter(({ ordering_key }) => ordering_key !== null)
  }
}
