/**
 * Runs one member of a group commit in its own savepoint, and limits its time. A member that throws or runs out of time
 * is rolled back alone. Part of group-commit.ts.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Tx } from '../handles.ts'
import type { NewId } from '../new-id.ts'
import type { SqlAdapter, Writer } from '../sql-adapter.ts'
import { StoreTransaction } from './transaction.ts'

export interface RunMemberNeeds {
  readonly writer: Writer
  readonly adapter: SqlAdapter
  readonly limits: Limits
  readonly clock: () => number
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

type RunInSavepoint = (
  fn: (tx: Tx) => Promise<unknown>,
  isFirst: boolean,
) => Promise<{ readonly outcome: Outcome; readonly isInTime: boolean }>

/** @param yieldIfLong yields to the event loop between statements if the group has occupied it for long */
export function createRunInSavepoint(
  { writer, adapter, limits, clock, newId }: RunMemberNeeds,
  yieldIfLong: () => Promise<void> | undefined,
): RunInSavepoint {
  /** @throws the error that ended the whole transaction */
  return async function runInSavepoint(fn, isFirst) {
    const tx = new StoreTransaction(writer, adapter, { now: clock(), newId, yieldIfLong })
    await writer.savepoint(isFirst)
    let isInTime = true
    let outcome: Outcome
    try {
      const value = await withinTime(fn, tx, limits.store.transactionMs, () => {
        isInTime = false
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

/** Limits the time of a member: a promise that never settles would stop all writes of the server. */
async function withinTime<T>(fn: (tx: Tx) => Promise<T>, tx: Tx, timeoutMs: number, onTimeout: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      onTimeout()
      reject(new MailError('unavailable', { detail: `a transaction took longer than ${timeoutMs} ms` }))
    }, timeoutMs)
  })
  try {
    return await Promise.race([fn(tx), timeout])
  } finally {
    clearTimeout(timer)
  }
}
