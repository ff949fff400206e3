/**
 * The clock of the server: the clock of the machine, but it never goes back. Messages, events and ids are sorted by it,
 * so new mail must not get a time before that of stored mail.
 *
 * When the clock of the machine is set forward, this clock follows at once: after a pause of the machine the new time is
 * right. When that clock is set back, this one runs at half speed until both agree. If it stood still, nothing that is
 * due in a minute would be due before then. Leases do not use it (store/handles.ts, LeaseTime), and what other parties
 * check (signatures, Date fields, expiry of keys) uses the clock of the machine. docs/adr/0033
 */
import type { Log } from '../log.ts'

export interface ServerClock {
  /** Returns epoch ms, never less than before. */
  now(): number
  /** Continues after this time, if it is later than now. Call it at the start, with the newest stored time. */
  continueAfter(timeMs: number): void
}

interface ServerClockNeeds {
  /** The clock of the machine, epoch ms: `Date.now`. */
  readonly wallClock: () => number
  readonly log: Log
}

/** A larger difference is a step: NTP corrects smaller ones gradually. */
const STEP_MS = 1_000

export function createServerClock({ wallClock, log }: ServerClockNeeds): ServerClock {
  let readAtMs = performance.now()
  let wallTime = wallClock()
  let time = wallTime

  return {
    now() {
      const elapsedMs = performance.now() - readAtMs
      readAtMs += elapsedMs
      const stepMs = wallClock() - wallTime - elapsedMs
      wallTime += elapsedMs + stepMs
      time = Math.max(wallTime, time + elapsedMs / 2)
      if (Math.abs(stepMs) >= STEP_MS) logStep(Math.round(stepMs))
      return Math.floor(time)
    },

    continueAfter(timeMs) {
      if (timeMs < time) return
      time = timeMs + 1
      const aheadMs = Math.round(time - wallTime)
      // Less is normal: another node may have stored an event at this moment.
      if (aheadMs >= STEP_MS)
        log.warn({ newest: new Date(timeMs), aheadMs }, 'the newest stored event is in the future')
    },
  }

  function logStep(stepMs: number): void {
    const aheadMs = Math.round(time - wallTime)
    log.warn({ stepMs, aheadMs }, 'the clock of this machine was set, or the machine was suspended')
  }
}
