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
 * Another node can be in a member's way: it has taken the same name, has the row that this one needs, or waits for one
 * of ours. Such a member is rolled back and run again. One that runs behind others of its group does not wait for such a
 * row, since their rows keep the other node waiting meanwhile: the group is committed, and the member goes first in the
 * next one, where it may wait (docs/adr/0011).
 * Crash: what was not committed was promised to nobody. A commit whose answer was lost is settled before anybody is
 * answered, whoever queues meanwhile is refused. Stop: `close` refuses new work and waits for what is queued.
 * Must not: start anything on its own. The next transaction after a failure tries afresh.
 */
import type { Config } from '../config.ts'
import { isMailError, MailError } from '../errors.ts'
import { bindToUnit, outsideUnits } from '../fault-boundary.ts'
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

/** Before a transaction that met another node's runs again: time for the other to go on, or they would meet as before. */
const AFTER_CONFLICT_MS = 20

interface GroupCommitNeeds {
  writer: Writer
  dialect: Dialect
  limits: Pick<
    Config['limits'],
    'transactionGroupMax' | 'transactionQueueMax' | 'transactionMs' | 'transactionRerunsMax' | 'shutdownGraceMs'
  >
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
  /** The server stops: a commit whose outcome is not known after limits.shutdownGraceMs is outcome_unknown. */
  expectClose(): void
  close(): Promise<void>
}

/** One call of `transaction`. */
interface Member {
  readonly fn: (tx: Tx) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** How often another node was in its way although it could wait. */
  conflicts: number
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
  /** A commit does not end: its members wait for the truth, but whoever comes can be told to come back. */
  let isStuck = false
  let givingUp: NodeJS.Timeout | undefined
  let turnStartedAt = performance.now()

  return {
    transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        if (isClosing) return reject(new MailError('shutting_down', {}))
        if (isStuck) return reject(stuckBehindCommit())
        if (queue.length >= limits.transactionQueueMax) {
          return reject(new MailError('unavailable', { detail: 'too many transactions are waiting' }))
        }
        queue.push({ fn: bindToUnit(fn), resolve: resolve as (value: unknown) => void, reject, conflicts: 0 })
        running ??= outsideUnits(runGroups)
      })
    },

    expectClose,

    async close() {
      isClosing = true
      expectClose()
      await running
      clearTimeout(givingUp)
    },
  }

  function expectClose(): void {
    givingUp ??= setTimeout(() => writer.giveUp(), limits.shutdownGraceMs).unref()
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
      if (dialect.conflict(error)) runAgain(group, error)
      else failGroup(group, error)
      return
    }
    if (group.length === 0) return pause(AFTER_CONFLICT_MS) // its only member runs again
    metrics.commitSeconds.observe((performance.now() - startedAt) / 1_000)
    answer(group)
  }

  async function runMembers(group: Member[]): Promise<void> {
    while (group.length < limits.transactionGroupMax) {
      const member = queue.shift()
      if (!member) return
      group.push(member)
      const mayGoOn = await runMember(member, group)
      if (!mayGoOn) return // the others have waited long enough for their commit

      await giveTurn()
    }
  }

  /**
   * Runs one function in its savepoint.
   *
   * @returns whether more may join the group
   * @throws what ended the whole transaction
   */
  async function runMember(member: Member, group: Member[]): Promise<boolean> {
    const tx = new StoreTransaction(writer, dialect, clock(), newId)
    const isFirst = group.length === 1
    await writer.savepoint(isFirst)
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
    else await release(member)
    // SQLite would have ended the transaction; where it goes on, whoever comes next should be told before its bytes are taken.
    if ('error' in member.outcome && isMailError(member.outcome.error, 'disk_full'))
      needs.onFailure(member.outcome.error)
    if (!('error' in member.outcome) || !dialect.conflict(member.outcome.error)) return isInTime

    group.pop()
    // In front of the queue, so that it is first next time; or behind the others, which may not need what it waits for.
    if (!isFirst) queue.unshift(member)
    else if (countConflict(member)) queue.push(member)
    else {
      member.outcome = { error: inTheWay(member.outcome.error) }
      group.push(member)
    }
    return false
  }

  async function release(member: Member): Promise<void> {
    try {
      await writer.releaseSavepoint()
    } catch (error) {
      if (!writer.isInTransaction()) throw error
      member.outcome = { error }
    }
  }

  /** @returns whether it may run again */
  function countConflict(member: Member): boolean {
    member.conflicts += 1
    return member.conflicts <= limits.transactionRerunsMax
  }

  /** A name that is taken stays that; having waited in vain is nothing that a caller could help. */
  function inTheWay(error: unknown): unknown {
    if (dialect.conflict(error) === 'changed') return error
    return new MailError('unavailable', { detail: 'other servers were in the way' }, { cause: error })
  }

  /** The group as a whole met another node, behind its last member. */
  function runAgain(group: readonly Member[], error: unknown): void {
    const again = group.filter(countConflict)
    queue.unshift(...again)
    for (const member of group) if (!again.includes(member)) member.reject(inTheWay(error))
    log.info({ err: error, members: group.length }, 'a group of transactions is run again')
  }

  /** Writes what belongs behind the last member, and commits. A group of which nothing is left commits nothing. */
  async function commit(group: readonly Member[]): Promise<void> {
    const kept = group.flatMap(({ outcome }) => (outcome && 'tx' in outcome ? [outcome.tx] : []))
    if (kept.length === 0) return writer.rollback()

    await writer.endSavepoints()
    const tx = new StoreTransaction(writer, dialect, clock(), newId)
    for (const write of kept.flatMap(({ lateWrites }) => lateWrites)) {
      await write(tx)
      await giveTurn()
    }
    await appendEvents(
      tx,
      kept.flatMap(({ events }) => events),
    )
    tx.end()
    await withQueueTold(() => writer.commit())
    metrics.commitMembers.observe(kept.length)
  }

  /** A commit that does not end keeps its members waiting for the truth; those behind it are told that it takes long. */
  async function withQueueTold(commit: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      isStuck = true
      const failure = stuckBehindCommit()
      needs.onFailure(failure)
      for (const { reject } of queue.splice(0)) reject(failure)
    }, limits.transactionMs)
    try {
      await commit()
    } finally {
      clearTimeout(timer)
      isStuck = false
    }
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
    const isTold = isSurroundings(error) || isMailError(error, 'outcome_unknown')
    const failure = isTold ? error : new MailError('unavailable', {}, { cause: error })
    log.error({ err: error, members: group.length }, 'a group of transactions was not committed')
    if (isSurroundings(error)) needs.onFailure(error) // any other is a bug, and no reason to refuse everybody's mail
    for (const { reject } of group) reject(failure)
  }
}

function isSurroundings(error: unknown): error is MailError {
  return isMailError(error, 'disk_full') || isMailError(error, 'unavailable')
}

function stuckBehindCommit(): MailError<'unavailable'> {
  return new MailError('unavailable', { detail: 'the commit before does not end' })
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

function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs))
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
