/**
 * Concurrency limits for requests, one lane per webhook: how many may run at once for each webhook and for all
 * together, so that a dead or slow receiver takes no capacity from the others.
 *
 * A lane whose last request failed gets one request at a time, and all such lanes together get at most half of the
 * capacity. A lane that fails round after round pauses in between, up to limits.webhookRestMaxMs: a backlog of a
 * hundred thousand rows must not call a dead receiver all day. A new round starts only with requests that began after
 * the last failure, since ten concurrent requests fail together. The state is in memory: after a restart each lane
 * starts without failures.
 */
import type { Limits } from '../../../config/limits.ts'

const FIRST_REST_MS = 1_000
/** Failed rounds without a pause: the first failure, which could not be foreseen, and its first retry. */
const ROUNDS_WITHOUT_REST = 2

interface Lane {
  running: number
  /** Failed rounds since the last success. */
  failedRounds: number
  failedAt: number
  restsUntil: number
}

type LaneLimits = Pick<Limits, 'webhookConcurrencyMax' | 'webhookEndpointConcurrencyMax' | 'webhookRestMaxMs'>

export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #limits: LaneLimits
  #running = 0
  #failingRunning = 0

  constructor(limits: LaneLimits) {
    this.#limits = limits
  }

  /** Returns the end of the lane's pause, epoch ms. */
  restsUntil(webhookId: string): number {
    return this.#lanes.get(webhookId)?.restsUntil ?? 0
  }

  /** Returns how many more requests may begin. */
  room(webhookId: string, now: number): number {
    const { webhookConcurrencyMax, webhookEndpointConcurrencyMax } = this.#limits
    const room = webhookConcurrencyMax - this.#running
    const lane = this.#lanes.get(webhookId)
    if (!lane) return Math.min(room, webhookEndpointConcurrencyMax)
    if (lane.restsUntil > now) return 0
    if (lane.failedRounds === 0) return Math.max(0, Math.min(room, webhookEndpointConcurrencyMax - lane.running))
    const failingRoom = Math.ceil(webhookConcurrencyMax / 2) - this.#failingRunning
    return Math.max(0, Math.min(room, failingRoom, 1 - lane.running))
  }

  /** True when the limit for all lanes, or that for all failing lanes, is used up. */
  get isCrowded(): boolean {
    const { webhookConcurrencyMax } = this.#limits
    return this.#running >= webhookConcurrencyMax || this.#failingRunning >= Math.ceil(webhookConcurrencyMax / 2)
  }

  enter(webhookId: string): void {
    const lane = this.#lanes.get(webhookId) ?? { running: 0, failedRounds: 0, failedAt: 0, restsUntil: 0 }
    this.#lanes.set(webhookId, lane)
    this.#count(lane, 1)
  }

  /** Ends a request that says nothing about the receiver. */
  leave(webhookId: string): void {
    const lane = this.#lanes.get(webhookId)!
    this.#count(lane, -1)
    if (lane.running === 0 && lane.failedRounds === 0) this.#lanes.delete(webhookId)
  }

  /** @param startedAt of the request, epoch ms */
  leaveAfter(webhookId: string, { hasSucceeded, startedAt, now }: Ended): void {
    const lane = this.#lanes.get(webhookId)!
    this.#count(lane, -1)
    const wasFailing = lane.failedRounds > 0
    if (hasSucceeded) {
      lane.failedRounds = 0
      lane.restsUntil = 0
    } else if (!wasFailing || startedAt >= lane.failedAt) {
      lane.failedRounds += 1
      lane.failedAt = now
      lane.restsUntil = now + this.#restMs(lane.failedRounds)
    }
    if (wasFailing && hasSucceeded) this.#failingRunning -= lane.running
    if (!wasFailing && !hasSucceeded) this.#failingRunning += lane.running
    if (lane.running === 0 && lane.failedRounds === 0) this.#lanes.delete(webhookId)
  }

  /** Forgets lanes without work. */
  keepOnly(webhookIds: ReadonlySet<string>): void {
    for (const [id, lane] of this.#lanes) if (lane.running === 0 && !webhookIds.has(id)) this.#lanes.delete(id)
  }

  #count(lane: Lane, difference: 1 | -1): void {
    lane.running += difference
    this.#running += difference
    if (lane.failedRounds > 0) this.#failingRunning += difference
  }

  #restMs(rounds: number): number {
    const rests = rounds - ROUNDS_WITHOUT_REST
    return rests <= 0 ? 0 : Math.min(FIRST_REST_MS * 2 ** (rests - 1), this.#limits.webhookRestMaxMs)
  }
}

interface Ended {
  readonly hasSucceeded: boolean
  readonly startedAt: number
  readonly now: number
}
