/**
 * Concurrency limits for requests: how many may run at once for each webhook, for each pod and organization, and for all
 * together, so that dead or slow receivers use no capacity of the others.
 *
 * Receivers that are slow but respond are limited with all others of their pod (jobs/capacity-shares.ts). When fewer than
 * half of the last requests to a webhook succeeded, it gets fewer at once, and one at a time when none did: a dead
 * receiver soon gets one, and one that fails half of the time is served almost like a healthy one. The webhooks whose
 * last request failed together get at most half of the capacity,
 * divided among pods and organizations in the same way: so half of a pod's share is left for its healthy webhooks.
 *
 * A webhook that fails round after round pauses in between, up to limits.webhooks.pauseMsMax: a backlog
 * of a hundred thousand rows must not call a dead receiver all day. A new round starts only with requests that began
 * after the last failure, because ten concurrent requests fail together. The state is in memory: after a restart, each
 * webhook starts without failures.
 */
import type { Limits } from '../../../config/limits.ts'
import { CapacityShares, type Tenant } from '../../jobs/capacity-shares.ts'

const FIRST_PAUSE_MS = 1_000
/** Requests that decide how many more may run at once. */
const RECENT_MAX = 16
/** Failed rounds without a pause: the first failure, and its first retry. */
const ROUNDS_WITHOUT_PAUSE = 2

/** A webhook and its tenant, which never changes. */
export interface LimitedWebhook extends Tenant {
  readonly webhookId: string
}

interface WebhookLoad {
  readonly tenant: Tenant
  running: number
  /** Whether each of the last requests succeeded, at most RECENT_MAX. */
  readonly recent: boolean[]
  /** Failed rounds since the last success. */
  failedRounds: number
  failedAt: number
  pausedUntil: number
}

export class WebhookLimits {
  readonly #loads = new Map<string, WebhookLoad>()
  /** Webhooks that an internal error has stopped, and until when, epoch ms. */
  readonly #stoppedUntil = new Map<string, number>()
  readonly #limits: Limits
  readonly #shares: CapacityShares
  readonly #failingShares: CapacityShares

  constructor(limits: Limits) {
    this.#limits = limits
    this.#shares = new CapacityShares(limits.webhooks.concurrencyMax)
    this.#failingShares = new CapacityShares(Math.ceil(limits.webhooks.concurrencyMax / 2))
  }

  /** Returns the end of the webhook's pause, epoch ms. */
  pausedUntil(webhookId: string): number {
    return Math.max(this.#loads.get(webhookId)?.pausedUntil ?? 0, this.#stoppedUntil.get(webhookId) ?? 0)
  }

  /** Pauses a webhook whose deliveries cannot be claimed, which says nothing about its receiver. */
  pauseAfterError(webhookId: string, now: number): void {
    this.#stoppedUntil.set(webhookId, now + this.#limits.webhooks.errorPauseMs)
  }

  /** Returns how many more requests may begin. */
  capacity(webhook: LimitedWebhook, now: number): number {
    const own = this.#ownCapacity(webhook.webhookId, now)
    return own === 0 ? 0 : Math.min(own, this.#sharedCapacity(webhook))
  }

  /** Whether its pod, its organization, all failing webhooks or all webhooks leave it less capacity than its own limit. */
  isShortOfShared(webhook: LimitedWebhook, now: number): boolean {
    return this.#sharedCapacity(webhook) < this.#ownCapacity(webhook.webhookId, now)
  }

  #ownCapacity(webhookId: string, now: number): number {
    const load = this.#loads.get(webhookId)
    if (load && load.pausedUntil > now) return 0
    return Math.max(0, this.#ownMax(load?.recent ?? []) - (load?.running ?? 0))
  }

  #sharedCapacity(webhook: LimitedWebhook): number {
    const capacity = this.#shares.capacity(webhook)
    const isFailing = (this.#loads.get(webhook.webhookId)?.failedRounds ?? 0) > 0
    return isFailing ? Math.min(capacity, this.#failingShares.capacity(webhook)) : capacity
  }

  enter(webhook: LimitedWebhook): void {
    const { webhookId } = webhook
    const fresh = { tenant: webhook, running: 0, recent: [], failedRounds: 0, failedAt: 0, pausedUntil: 0 }
    const load = this.#loads.get(webhookId) ?? fresh
    this.#loads.set(webhookId, load)
    this.#count(load, 1)
  }

  /** Ends a request that says nothing about the receiver. */
  leave(webhookId: string): void {
    const load = this.#loads.get(webhookId)!
    this.#count(load, -1)
    if (load.running === 0 && load.failedRounds === 0) this.#loads.delete(webhookId)
  }

  /** @param startedAt of the request, epoch ms */
  leaveAfter(webhookId: string, { hasSucceeded, startedAt, now }: Ended): void {
    const load = this.#loads.get(webhookId)!
    this.#count(load, -1)
    const wasFailing = load.failedRounds > 0
    load.recent.push(hasSucceeded)
    if (load.recent.length > RECENT_MAX) load.recent.shift()
    if (hasSucceeded) {
      load.failedRounds = 0
      load.pausedUntil = 0
    } else if (!wasFailing || startedAt >= load.failedAt) {
      load.failedRounds += 1
      load.failedAt = now
      load.pausedUntil = now + this.#pauseMs(load.failedRounds)
    }
    if (wasFailing && hasSucceeded) this.#failingShares.add(load.tenant, -load.running)
    if (!wasFailing && !hasSucceeded) this.#failingShares.add(load.tenant, load.running)
    if (load.running === 0 && load.failedRounds === 0) this.#loads.delete(webhookId)
  }

  /** Forgets webhooks without work. */
  forgetExcept(webhookIds: ReadonlySet<string>): void {
    for (const [id, load] of this.#loads) if (load.running === 0 && !webhookIds.has(id)) this.#loads.delete(id)
    for (const id of this.#stoppedUntil.keys()) if (!webhookIds.has(id)) this.#stoppedUntil.delete(id)
  }

  #count(load: WebhookLoad, difference: 1 | -1): void {
    load.running += difference
    this.#shares.add(load.tenant, difference)
    if (load.failedRounds > 0) this.#failingShares.add(load.tenant, difference)
  }

  #ownMax(recent: readonly boolean[]): number {
    const { endpointConcurrencyMax } = this.#limits.webhooks
    if (recent.length === 0) return endpointConcurrencyMax
    const successShare = recent.filter((hasSucceeded) => hasSucceeded).length / recent.length
    return Math.max(1, Math.min(endpointConcurrencyMax, Math.ceil(endpointConcurrencyMax * 2 * successShare)))
  }

  #pauseMs(rounds: number): number {
    const pauses = rounds - ROUNDS_WITHOUT_PAUSE
    return pauses <= 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (pauses - 1), this.#limits.webhooks.pauseMsMax)
  }
}

interface Ended {
  readonly hasSucceeded: boolean
  readonly startedAt: number
  readonly now: number
}
