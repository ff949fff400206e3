/**
 * Concurrency limits for requests: how many may run at once for each webhook and for all together, so that a dead or
 * slow receiver uses no capacity of the others.
 *
 * A webhook whose last request failed gets one request at a time, and all such webhooks together get at most half of
 * the capacity. A webhook that fails round after round pauses in between, up to limits.webhooks.pauseMaxMs: a backlog
 * of a hundred thousand rows must not call a dead receiver all day. A new round starts only with requests that began
 * after the last failure, because ten concurrent requests fail together. The state is in memory: after a restart, each
 * webhook starts without failures.
 */
import type { Limits } from '../../../config/limits.ts'

const FIRST_PAUSE_MS = 1_000
/** Failed rounds without a pause: the first failure, and its first retry. */
const ROUNDS_WITHOUT_PAUSE = 2

interface WebhookLoad {
  running: number
  /** Failed rounds since the last success. */
  failedRounds: number
  failedAt: number
  pausedUntil: number
}

export class WebhookLimits {
  readonly #loads = new Map<string, WebhookLoad>()
  readonly #limits: Limits
  #running = 0
  #failingRunning = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Returns the end of the webhook's pause, epoch ms. */
  pausedUntil(webhookId: string): number {
    return this.#loads.get(webhookId)?.pausedUntil ?? 0
  }

  /** Returns how many more requests may begin. */
  room(webhookId: string, now: number): number {
    const { concurrencyMax, endpointConcurrencyMax } = this.#limits.webhooks
    const room = concurrencyMax - this.#running
    const load = this.#loads.get(webhookId)
    if (!load) return Math.min(room, endpointConcurrencyMax)
    if (load.pausedUntil > now) return 0
    if (load.failedRounds === 0) return Math.max(0, Math.min(room, endpointConcurrencyMax - load.running))
    const failingRoom = Math.ceil(concurrencyMax / 2) - this.#failingRunning
    return Math.max(0, Math.min(room, failingRoom, 1 - load.running))
  }

  /** Whether the limit for all webhooks, or that for all failing webhooks, is used up. */
  get isCrowded(): boolean {
    const { concurrencyMax } = this.#limits.webhooks
    return this.#running >= concurrencyMax || this.#failingRunning >= Math.ceil(concurrencyMax / 2)
  }

  enter(webhookId: string): void {
    const load = this.#loads.get(webhookId) ?? { running: 0, failedRounds: 0, failedAt: 0, pausedUntil: 0 }
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
    if (hasSucceeded) {
      load.failedRounds = 0
      load.pausedUntil = 0
    } else if (!wasFailing || startedAt >= load.failedAt) {
      load.failedRounds += 1
      load.failedAt = now
      load.pausedUntil = now + this.#pauseMs(load.failedRounds)
    }
    if (wasFailing && hasSucceeded) this.#failingRunning -= load.running
    if (!wasFailing && !hasSucceeded) this.#failingRunning += load.running
    if (load.running === 0 && load.failedRounds === 0) this.#loads.delete(webhookId)
  }

  /** Forgets webhooks without work. */
  forgetExcept(webhookIds: ReadonlySet<string>): void {
    for (const [id, load] of this.#loads) if (load.running === 0 && !webhookIds.has(id)) this.#loads.delete(id)
  }

  #count(load: WebhookLoad, difference: 1 | -1): void {
    load.running += difference
    this.#running += difference
    if (load.failedRounds > 0) this.#failingRunning += difference
  }

  #pauseMs(rounds: number): number {
    const pauses = rounds - ROUNDS_WITHOUT_PAUSE
    return pauses <= 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (pauses - 1), this.#limits.webhooks.pauseMaxMs)
  }
}

interface Ended {
  readonly hasSucceeded: boolean
  readonly startedAt: number
  readonly now: number
}
