/**
 * Fault boundaries: an unhandled error ends the unit of work that caused it, and nothing else.
 *
 * A unit is one connection, request, delivery or job. Everything that it starts (promises, timers, sockets) belongs to
 * it, through AsyncLocalStorage. An error that arrives after the end of its unit is logged and counted, and has no
 * other effect. An error outside any unit ends the process: a poll loop or shared state may be broken, and a restart
 * repairs both.
 *
 * Work that an error interrupted is claimed again later. Work that fails repeatedly is set aside (docs/adr/0022).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Unit {
  readonly kind:
    | 'SMTP connection'
    | 'IMAP connection'
    | 'HTTP request'
    | 'WebSocket'
    | 'delivery'
    | 'webhook delivery'
    | 'job'
  /** Ends the unit. May be called more than once, and after its end. Must not throw. */
  fail(error: unknown): void
}

const current = new AsyncLocalStorage<Unit | undefined>()

/** Runs one step of a unit that has several: a command of a connection, a phase of a request. */
export function runIn<Result>(unit: Unit, act: () => Result): Result {
  return current.run(unit, act)
}

/** Runs a whole unit. @throws what `act` throws, or the first unhandled error of the unit */
export function contain<Result>(kind: Unit['kind'], act: () => Promise<Result>): Promise<Result> {
  let fail!: (error: unknown) => void
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  return current.run({ kind, fail }, () => Promise.race([act(), failed]))
}

/** Binds a function to the current unit, so that its errors end this unit wherever the function is called from. */
export function bindToUnit<Arguments extends unknown[], Result>(
  act: (...args: Arguments) => Result,
): (...args: Arguments) => Result {
  const unit = current.getStore()
  return unit ? (...args) => current.run(unit, act, ...args) : act
}

/** Runs shared work that a unit happens to start first. Its errors do not end that unit. */
export function outsideUnits<Result>(act: () => Result): Result {
  return current.run(undefined, act)
}

interface HandlerNeeds {
  readonly log: Log
  readonly metrics: Metrics
  /** Ends the process. */
  readonly exit: (code: number) => void
}

/** Handles all unhandled errors of the process from now on. Call it once per process. */
export function handleStrayErrors({ log, metrics, exit }: HandlerNeeds): void {
  const handle = (error: unknown) => {
    const unit = current.getStore()
    if (!unit) {
      log.fatal({ err: error }, 'unhandled error outside any unit of work; the process exits')
      return exit(1)
    }
    metrics.containedErrors.inc({ unit: unit.kind })
    log.error({ err: error, unit: unit.kind }, 'unhandled error; its unit of work ends')
    unit.fail(error)
  }
  process.on('unhandledRejection', handle)
  process.on('uncaughtException', handle)
}
