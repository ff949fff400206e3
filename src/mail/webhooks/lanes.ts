/**
 * Room for requests, a lane a webhook: how many may run at once in each and in all of them, so that one that is dead or
 * slow takes nothing from the others.
 *
 * A lane whose last request failed gets one at a time, and all such lanes together at most half of the room. One that fails
 * round after round rests in between, up to limits.webhookRestMaxMs: a backlog of a hundred thousand rows must not knock
 * at a closed door all day. What counts as a round begins after the last failure, since ten that run at once fail at once.
 * Kept in memory: after a restart every lane has the benefit of the doubt.
 */
import type { Limits } from '../../limits.ts'

const FIRST_REST_MS = 1_000
/** Failed rounds without a rest: the one that nobody could know of, and its first retry. */
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

  /** Until when it is to be left alone, epoch ms. */
  restsUntil(webhookId: string): number {
    return this.#lanes.get(webhookId)?.restsUntil ?? 0
  }

  /** How many more may begin. */
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

  /** Whether what a lane may have is less than it would have alone. */
  get isCrowded(): boolean {
    const { webhookConcurrencyMax } = this.#limits
    return this.#running >= webhookConcurrencyMax || this.#failingRunning >= Math.ceil(webhookConcurrencyMax / 2)
  }

  enter(webhookId: string): void {
    const lane = this.#lanes.get(webhookId) ?? { running: 0, failedRounds: 0, failedAt: 0, restsUntil: 0 }
    this.#lanes.set(webhookId, lane)
    this.#count(lane, 1)
  }

  /** Nothing was learned of the receiver. */
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

  /** Forgets lanes that have nothing to do. */
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
