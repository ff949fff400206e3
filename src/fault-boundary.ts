/**
 * Fault boundaries: an error that nothing handles ends the unit of work in which it arose, and nothing else.
 *
 * A unit is one connection, request, delivery or job. Everything that it starts (promises, timers, sockets) belongs to it,
 * through AsyncLocalStorage. An error that arrives after the end of its unit is logged and counted, and has no other effect.
 * An error outside every unit ends the process: a loop or shared state may be broken, and a restart repairs both.
 *
 * What an error left undone is claimed again later; what fails again and again is set aside (docs/adr/0022).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface Unit {
  readonly kind: 'SMTP connection' | 'HTTP request' | 'WebSocket' | 'delivery' | 'webhook delivery' | 'job'
  /** Ends the unit. May be called more than once, and after its end. Must not throw. */
  fail(error: unknown): void
}

const current = new AsyncLocalStorage<Unit | undefined>()

/** Runs one step of a unit that has more than one: a command of a connection, a phase of a request. */
export function runIn<Result>(unit: Unit, act: () => Result): Result {
  return current.run(unit, act)
}

/** Runs a whole unit. @throws what `act` throws, or the first error of the unit that nothing handles */
export function contain<Result>(kind: Unit['kind'], act: () => Promise<Result>): Promise<Result> {
  let fail!: (error: unknown) => void
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  return current.run({ kind, fail }, () => Promise.race([act(), failed]))
}

/** Binds a function that another unit, or none, will call to the unit of now. */
export function bindToUnit<Arguments extends unknown[], Result>(
  act: (...args: Arguments) => Result,
): (...args: Arguments) => Result {
  const unit = current.getStore()
  return unit ? (...args) => current.run(unit, act, ...args) : act
}

/** Runs what serves all units, although one of them happens to start it: its errors are not that unit's. */
export function outsideUnits<Result>(act: () => Result): Result {
  return current.run(undefined, act)
}

interface HandlerNeeds {
  readonly log: Log
  readonly metrics: Metrics
  /** Ends the process. */
  readonly exit: (code: number) => void
}

/** Once per process: from here on the errors that nothing handles are this module's. */
export function handleStrayErrors({ log, metrics, exit }: HandlerNeeds): void {
  const handle = (error: unknown) => {
    const unit = current.getStore()
    if (!unit) {
      log.fatal({ err: error }, 'unhandled error outside every unit of work; the process exits')
      return exit(1)
    }
    metrics.containedErrors.inc({ unit: unit.kind })
    log.error({ err: error, unit: unit.kind }, 'unhandled error; its unit of work ends')
    unit.fail(error)
  }
  process.on('unhandledRejection', handle)
  process.on('uncaughtException', handle)
}
