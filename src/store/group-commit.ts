/**
 * Commits many small transactions with one fsync (docs/adr/0003).
 *
 *   queue → begin → each waiting function in a savepoint of its own → late writes → events numbered → commit →
 *   callers answered in order → bell
 *
 * Nobody is answered before the commit, not even a function that threw: it may have thrown over what another member of
 * its group had written ("taken"), which a failing commit takes back.
 *
 * A member that throws or runs out of time is rolled back alone. A full disk or an I/O error ends the whole transaction
 * behind our back, and the next savepoint would then open one of its own *and commit it*, so after each member we look
 * whether the transaction is still there; if not, the group fails as a whole and nothing of it is kept.
 * Crash: what was not committed was promised to nobody. Stop: `close` refuses new work and waits for what is queued.
 * Must not: start anything on its own. The next transaction after a failure tries afresh.
 */
import type { Config } from '../config.ts'
import { MailError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Dialect, Writer } from './dialect.ts'
import { appendEvents } from './event-log.ts'
import type { NewId } from './ids.ts'
import type { Tx } from './schema.ts'
import { StoreTransaction } from './transaction.ts'

/**
 * How long the members of a group may hold the event loop before it gets a turn; who arrives in it joins the group.
 * (One that runs never waits for I/O with SQLite, so nobody could arrive otherwise.)
 */
const TURN_MS = 10

interface GroupCommitNeeds {
  writer: Writer
  dialect: Dialect
  limits: Pick<Config['limits'], 'transactionGroupMax' | 'transactionQueueMax' | 'transactionMs'>
  clock: () => number
  newId: NewId
  log: Log
  metrics: Metrics
  /** After each commit, when its callers have been answered. Must not throw. */
  onCommit(): void
  /** A group could not be committed, for want of room or a disk that works. */
  onFailure(error: MailError): void
}

export interface GroupCommit {
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** One call of `transaction`. */
interface Member {
  readonly fn: (tx: Tx) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  outcome?: Kept | Refused
}
interface Kept {
  readonly tx: StoreTransaction
  readonly value: unknown
}
interface Refused {
  readonly error: unknown
}

export function createGroupCommit(needs: GroupCommitNeeds): GroupCommit {
  const { writer, dialect, limits, clock, newId, log, metrics } = needs
  const queue: Member[] = []
  let running: Promise<void> | undefined
  let isClosing = false
  let turnStartedAt = performance.now()

  return {
    transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        if (isClosing) return reject(new MailError('shutting_down', {}))
        if (queue.length >= limits.transactionQueueMax) {
          return reject(new MailError('unavailable', { detail: 'too many transactions are waiting' }))
        }
        queue.push({ fn, resolve: resolve as (value: unknown) => void, reject })
        running ??= runGroups()
      })
    },

    async close() {
      isClosing = true
      await running
    },
  }

  async function runGroups(): Promise<void> {
    // A turn of the event loop before each group: what arrives with the same poll of the sockets goes in together, and
    // a queue that never empties does not keep sockets and timers waiting for more than one group.
    await eventLoopTurn()
    for (; queue.length > 0; await eventLoopTurn()) await runGroup()
    running = undefined
  }

  /** Never rejects. */
  async function runGroup(): Promise<void> {
    const group: Member[] = []
    const startedAt = performance.now()
    turnStartedAt = startedAt
    try {
      await writer.begin()
      await runMembers(group)
      await commit(group)
    } catch (error) {
      await writer.rollback()
      if (group.length === 0) group.push(...queue.splice(0, limits.transactionGroupMax)) // begin failed
      failGroup(group, error)
      return
    }
    metrics.commitSeconds.observe((performance.now() - startedAt) / 1_000)
    answer(group)
  }

  async function runMembers(group: Member[]): Promise<void> {
    while (group.length < limits.transactionGroupMax) {
      const member = queue.shift()
      if (!member) return
      group.push(member)
      const isInTime = await runMember(member)
      if (!isInTime) return // the others have waited long enough for their commit

      await giveTurn()
    }
  }

  /**
   * Runs one function in its savepoint.
   *
   * @returns whether it ended in time
   * @throws what ended the whole transaction
   */
  async function runMember(member: Member): Promise<boolean> {
    const tx = new StoreTransaction(writer, clock(), newId)
    await writer.savepoint()
    let isInTime = true
    try {
      const value = await withinTime(member.fn, tx, limits.transactionMs, () => {
        isInTime = false
      })
      member.outcome = { tx, value }
    } catch (error) {
      member.outcome = { error }
    }
    tx.end()

    if (!writer.isInTransaction()) {
      throw 'error' in member.outcome ? member.outcome.error : new Error('the transaction ended inside a member')
    }
    if ('error' in member.outcome) await writer.rollbackToSavepoint()
    else await writer.releaseSavepoint()
    return isInTime
  }

  /** Writes what belongs behind the last member, and commits. A group of which nothing is left commits nothing. */
  async function commit(group: readonly Member[]): Promise<void> {
    const kept = group.flatMap(({ outcome }) => (outcome && 'tx' in outcome ? [outcome.tx] : []))
    if (kept.length === 0) return writer.rollback()

    const tx = new StoreTransaction(writer, clock(), newId)
    for (const write of kept.flatMap(({ lateWrites }) => lateWrites)) {
      await write(tx)
      await giveTurn()
    }
    await appendEvents(
      tx,
      dialect,
      kept.flatMap(({ events }) => events),
    )
    tx.end()
    await writer.commit()
    metrics.commitMembers.observe(kept.length)
  }

  /** Lets the event loop have its turn when this one has lasted long enough. */
  async function giveTurn(): Promise<void> {
    if (performance.now() - turnStartedAt < TURN_MS) return
    await eventLoopTurn()
    turnStartedAt = performance.now()
  }

  function answer(group: readonly Member[]): void {
    let isCommitted = false
    for (const { outcome, resolve, reject } of group) {
      if (outcome && 'tx' in outcome) {
        isCommitted = true
        resolve(outcome.value)
      } else reject(outcome?.error)
    }
    // Rung last: whoever listens must be able to read what it is told of.
    if (isCommitted) needs.onCommit()
  }

  function failGroup(group: readonly Member[], error: unknown): void {
    const failure = isSurroundings(error) ? error : new MailError('unavailable', {}, { cause: error })
    log.error({ err: error, members: group.length }, 'a group of transactions was not committed')
    if (failure === error) needs.onFailure(failure) // any other is a bug, and no reason to refuse everybody's mail
    for (const { reject } of group) reject(failure)
  }
}

function isSurroundings(error: unknown): error is MailError {
  return error instanceof MailError && (error.code === 'disk_full' || error.code === 'unavailable')
}

/** A promise that never settles would stop all writes of the server. */
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

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
