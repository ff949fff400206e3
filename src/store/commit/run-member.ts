/**
 * Runs one member of a group commit in its own savepoint, and limits its time. A member that throws or runs out of time
 * is rolled back alone. Part of group-commit.ts.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { LeaseTime, Tx } from '../handles.ts'
import type { NewId } from '../new-id.ts'
import type { SqlAdapter, Writer } from '../sql-adapter.ts'
import type { EventLoopShare } from './event-loop-share.ts'
import { StoreTransaction } from './transaction.ts'

export interface RunMemberNeeds {
  readonly writer: Writer
  readonly adapter: SqlAdapter
  readonly limits: Limits
  readonly clock: () => number
  readonly leaseNow: () => LeaseTime
  readonly newId: NewId
}

/** What a member did, if the group is committed. */
export type Outcome = Succeeded | Failed

interface Succeeded {
  readonly tx: StoreTransaction
  readonly value: unknown
}
interface Failed {
  readonly error: unknown
}

export type RunInSavepoint = (
  fn: (tx: Tx) => Promise<unknown>,
  isFirst: boolean,
) => Promise<{ readonly outcome: Outcome; readonly isInTime: boolean }>

export function createRunInSavepoint(
  { writer, adapter, limits, clock, leaseNow, newId }: RunMemberNeeds,
  { yieldIfLong, ownTimeMs }: EventLoopShare,
): RunInSavepoint {
  /** @throws the error that ended the whole transaction */
  return async function runInSavepoint(fn, isFirst) {
    const tx = new StoreTransaction(writer, adapter, { now: clock(), leaseNow: leaseNow(), newId, yieldIfLong })
    await writer.savepoint(isFirst)
    let isInTime = true
    let outcome: Outcome
    try {
      const value = await withinTime(() => fn(tx), {
        timeoutMs: limits.store.transactionMs,
        ownTimeMs,
        onTimeout: () => {
          isInTime = false
        },
      })
      outcome = { tx, value }
    } catch (error) {
      outcome = { error }
    }
    tx.end()

    if (!writer.isInTransaction()) {
      throw 'error' in outcome ? outcome.error : new Error('the transaction ended inside a member')
    }
    if ('error' in outcome) await writer.rollbackToSavepoint()
    else outcome = await released(outcome)
    return { outcome, isInTime }
  }

  async function released(outcome: Succeeded): Promise<Outcome> {
    try {
      await writer.releaseSavepoint()
      return outcome
    } catch (error) {
      if (!writer.isInTransaction()) throw error
      return { error }
    }
  }
}

interface TimeLimit {
  readonly timeoutMs: number
  /** A clock that stops while the member lets other work run. */
  readonly ownTimeMs: () => number
  readonly onTimeout: () => void
}

/** Limits the time of a member: a promise that never settles would stop all writes of the server. */
async function withinTime<T>(run: () => Promise<T>, { timeoutMs, ownTimeMs, onTimeout }: TimeLimit): Promise<T> {
  const startedAtMs = ownTimeMs()
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    const check = () => {
      const leftMs = timeoutMs - (ownTimeMs() - startedAtMs)
      if (leftMs > 1) {
        timer = setTimeout(check, leftMs)
        return
      }
      onTimeout()
      reject(new MailError('unavailable', { detail: `a transaction took longer than ${timeoutMs} ms` }))
    }
    timer = setTimeout(check, timeoutMs)
  })
  try {
    return await Promise.race([run(), timeout])
  } finally {
    clearTimeout(timer)
  }
}
