/**
 * Claims due deliveries of webhooks, within the capacity that was reserved for each. Part of webhook-worker.ts. Rows that
 * may no longer be sent are cancelled, and rows without their position in the order get it; both are not returned.
 *
 * A claim shares its locks on the webhooks with the claims of other nodes. Cancelling and ordering need them alone, and two claims that
 * both wanted that would wait for each other until PostgreSQL ends one of them, after a second in which neither node writes. So such a
 * claim, which is rare, is rolled back and begins again, without sharing.
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
import type { Store } from '../../../store/store.ts'
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
  readonly store: Store
  readonly interrupted: InterruptedWork
  readonly limits: Limits
}

/** Thrown by a claim with shared locks that must change the order or the state of deliveries. It has changed nothing yet. */
class UnsharedLockNeeded extends Error {}

/**
 * @param onCapacityFreed called when claimed rows are not sent, so that others may use their capacity
 * @returns a function that claims in one transaction
 */
export function createWebhookClaims(
  { store, interrupted, limits }: WebhookClaimsNeeds,
  onCapacityFreed: () => void,
): (wanted: readonly Reservation[], bounds: InterruptionBounds) => Promise<ClaimedDeliveries[]> {
  return async function claim(wanted, bounds) {
    const refuse = () => {
      throw new UnsharedLockNeeded()
    }
    try {
      return await store.transaction((tx) =>
        claimEach(tx, wanted, bounds, { lock: webhookTable.shareLockEnabledByIds, beforeChange: refuse }),
      )
    } catch (error) {
      if (!(error instanceof UnsharedLockNeeded)) throw error
      return store.transaction((tx) =>
        claimEach(tx, wanted, bounds, { lock: webhookTable.lockEnabledByIds, beforeChange: () => undefined }),
      )
    }
  }

  async function claimEach(
    tx: Tx,
    wanted: readonly Reservation[],
    bounds: InterruptionBounds,
    { lock, beforeChange }: WebhookLock,
  ): Promise<ClaimedDeliveries[]> {
    let { interruptionsBelow } = bounds
    // Locked before their deliveries, as everywhere. Otherwise a claim for many webhooks, which takes some time, would be committed after
    // another node has answered that one of them is deleted, or has another URL; the request would begin after that.
    const ids = wanted.map(({ webhook }) => webhook.webhookId)
    const webhooks = await lock(tx, ids)
    const found: ClaimedDeliveries[] = []
    for (const { webhook: reserved, owner, capacity } of wanted) {
      const { webhookId } = reserved
      const webhook = webhooks.find(({ id }) => id === webhookId)
      if (!webhook || webhook.order_state === 'enabling') continue
      const lease = { owner, untilMs: leaseEnd(tx, limits.webhooks.leaseMs), limit: capacity }
      const only = { webhookId, term: webhook.term, interrupted: { ...bounds, interruptionsBelow } }
      const rows = await claimWebhookDeliveries(tx, { ...lease, ...only })
      const ordered = await separateUnordered(tx, webhook, { owner, rows, beforeChange })
      const sendable = await cancelForbidden(tx, webhook, ordered, beforeChange)
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
  async function separateUnordered(
    tx: Tx,
    webhook: WebhookRow,
    { owner, rows, beforeChange }: Pick<ClaimedDeliveries, 'owner' | 'rows'> & Pick<WebhookLock, 'beforeChange'>,
  ): Promise<WebhookDeliveryRow[]> {
    const withoutKey = isOrdered(webhook) ? rows.filter(({ ordering_key }) => ordering_key === null) : []
    if (withoutKey.length === 0) return rows
    beforeChange()
    await releaseLeases(tx, 'webhook_deliveries', { owner, ids: withoutKey.map(({ id }) => id) })
    await advance(tx, webhook, await assignOrderingKeys(tx, withoutKey))
    onCapacityFreed()
    return rows.filter(({ ordering_key }) => ordering_key !== null)
  }
}

interface WebhookLock {
  readonly lock: (tx: Tx, ids: readonly string[]) => Promise<WebhookRow[]>
  /** Throws if the lock is shared. */
  readonly beforeChange: () => void
}
