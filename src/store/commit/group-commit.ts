/**
 * Commits many small transactions with one fsync (docs/adr/0003).
 *
 *   pending members → begin → each queued function (a member of the group), or a batch of them, in its own savepoint →
 *   number the events and commit → commit signal → return results to the callers in order
 *
 * A group ends when it has used `limits.store.groupMs`: its callers wait for the last member, and members that arrive
 * meanwhile would prolong the wait. The time of batches that fail does not count, because their members run again in the same
 * group; but they end it when they have taken `limits.store.transactionMs`, as long as a single transaction may take.
 * Long transactions have groups of their own (member-queue.ts).
 *
 * No caller gets a result before the commit, not even one whose function threw: it may have failed because of a row of
 * another member of the same group (its name is taken), and a failed commit would remove that row.
 *
 * A member that throws or runs out of time is rolled back alone. A full disk or an I/O error ends the whole transaction
 * by itself, and the next savepoint would then start a separate transaction *and commit it*. So after each member we
 * check that the transaction is still open. If it is not, the whole group fails and nothing of it is stored.
 *
 * A member can conflict with another node: the node has taken the same name, has locked a row that the member needs, or
 * waits for a row that we have locked. Such a member is rolled back and run again. A member that is not the first of
 * its group does not wait for a locked row, because the rows of earlier members may block the other node meanwhile: the
 * group is committed, and the member runs first in the next one of its kind, where it may wait (docs/adr/0011).
 *
 * A sporadic I/O error fails a group, too. Its members run again, each in a group of its own, which writes less and so is
 * less likely to meet the next error; then the groups grow again. While errors persist (commit-failures.ts), nothing
 * runs twice.
 *
 * Crash: no caller has got a result for uncommitted work. If the response to a commit is lost, its outcome is looked up
 * before any caller gets a result; if that takes long, new transactions are rejected.
 * Stop: `close` rejects new transactions and waits for queued ones.
 * Must not: start work by itself. After a failure, the next transaction simply tries again.
 */
import { isMailError, MailError } from '../../errors.ts'
import type { EventLoop } from '../../event-loop.ts'
import { bindToUnit, outsideUnits } from '../../fault-boundary.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Tx } from '../handles.ts'
import type { CommitFailures } from './commit-failures.ts'
import { createEventLoopShare } from './event-loop-share.ts'
import { rejoinMembersBehind } from './failing-member.ts'
import { createMemberIntake } from './member-intake.ts'
import { type GroupKind, MemberQueue } from './member-queue.ts'
import { type Batch, type BatchMember, runBatch, runItem } from './run-batch.ts'
import { createRunInSavepoint, type RunMemberNeeds } from './run-member.ts'

/** Pause before a transaction that conflicted with another node runs again, so that the other one can finish first. */
const AFTER_CONFLICT_MS = 20

interface GroupCommitNeeds extends RunMemberNeeds {
  log: Log
  metrics: Metrics
  eventLoop: Pick<EventLoop, 'nextTurn'>
  /** Called after each commit, before its callers get their results. Must not throw. */
  onCommit(): void
  failures: CommitFailures
}

export interface TransactionOptions {
  /**
   * Set it for a transaction that can take long, to the peer or owner that it is for: it is committed apart from short
   * ones, and long ones run round robin over their keys.
   */
  readonly fairnessKey?: string | undefined
}

export interface BatchOptions extends TransactionOptions {
  /** It runs with no other item, as one with a fairness key does. */
  readonly isAlone?: boolean | undefined
}

export interface GroupCommit {
  transaction<T>(fn: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  batched<Item, Result>(batch: Batch<Item, Result>): (item: Item, options?: BatchOptions) => Promise<Result>
  /** The server is stopping: commits with an unknown outcome reject with outcome_unknown after `shutdownGraceMs`. */
  expectClose(): void
  close(): Promise<void>
}

/** One call of `transaction`, or of a batched function. */
interface Member extends BatchMember {
  /** Runs it alone. */
  readonly fn: (tx: Tx) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly fairnessKey: string | undefined
  /** How often it conflicted with another node although it was allowed to wait. */
  conflicts: number
  /** How often its group failed because of an I/O error. */
  ioErrors: number
}

export function createGroupCommit(needs: GroupCommitNeeds): GroupCommit {
  const { writer, adapter, limits, log, metrics, eventLoop, failures } = needs
  const { transactionGroupMax } = limits.store
  /** Members of the next group: fewer after an I/O error. */
  let groupMax = transactionGroupMax
  const pendingMembers = new MemberQueue<Member>()
  let running: Promise<void> | undefined
  let givingUp: NodeJS.Timeout | undefined
  const intake = createMemberIntake({ pendingMembers, limits, failures })
  const share = createEventLoopShare(limits, eventLoop)
  const runInSavepoint = createRunInSavepoint(needs, share)

  return {
    transaction<T>(fn: (tx: Tx) => Promise<T>, { fairnessKey }: TransactionOptions = {}): Promise<T> {
      return enqueue(fn, { fairnessKey })
    },

    batched<Item, Result>(batch: Batch<Item, Result>) {
      return (item: Item, { isAlone = false, fairnessKey }: BatchOptions = {}) => {
        const run = (tx: Tx) => runItem(batch, tx, item)
        if (isAlone || fairnessKey !== undefined) return enqueue(run, { fairnessKey })
        const key = batch as Batch<unknown, unknown>
        const { batchMembersMax: membersMax } = limits.store
        return enqueue(run, { batch: { key, item, sizeBytes: batch.sizeBytes(item), membersMax, wasLeftOut: false } })
      }
    },

    expectClose,

    async close() {
      intake.close()
      expectClose()
      await running
      clearTimeout(givingUp)
    },
  }

  function enqueue<T>(
    fn: (tx: Tx) => Promise<T>,
    place: Pick<Member, 'batch'> & { readonly fairnessKey?: string | undefined },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const refusal = intake.refusal()
      if (refusal) return reject(refusal)
      pendingMembers.push({
        fn: bindToUnit(fn),
        fairnessKey: undefined,
        ...place,
        resolve: resolve as (value: unknown) => void,
        reject,
        conflicts: 0,
        ioErrors: 0,
      })
      running ??= outsideUnits(runGroups)
    })
  }

  function expectClose(): void {
    givingUp ??= setTimeout(() => writer.giveUp(), limits.server.shutdownGraceMs).unref()
  }

  async function runGroups(): Promise<void> {
    // Yield to the event loop before each group: transactions that arrive in the same poll of the sockets share a
    // group, and a queue that never empties does not delay sockets and timers by more than one group.
    await eventLoop.nextTurn()
    for (; pendingMembers.length > 0; await eventLoop.nextTurn()) {
      const kind = pendingMembers.nextKind()
      const startedAtMs = performance.now()
      await runGroup(kind)
      pendingMembers.recordGroup(kind, performance.now() - startedAtMs)
    }
    running = undefined
  }

  /** Never rejects. */
  async function runGroup(kind: GroupKind): Promise<void> {
    const group: Member[] = []
    const startedAtMs = performance.now()
    share.beginTurn()
    try {
      await writer.begin()
      await runMembers(kind, group)
      await commit(group)
    } catch (error) {
      await writer.rollback()
      if (group.length === 0) takeMembers(kind, group) // begin failed
      if (adapter.conflict(error)) runAgain(group, error)
      else failGroup(runAgainAfterIoError(group, error), error, performance.now() - startedAtMs)
      return
    }
    groupMax = Math.min(2 * groupMax, transactionGroupMax)
    if (group.length === 0) return pause(AFTER_CONFLICT_MS) // its only member runs again
    metrics.commitSeconds.observe((performance.now() - startedAtMs) / 1_000)
    await answer(group)
  }

  function takeMembers(kind: GroupKind, group: Member[]): void {
    while (group.length < groupMax) {
      const member = pendingMembers.shift(kind)
      if (!member) return
      group.push(member)
    }
  }

  async function runMembers(kind: GroupKind, group: Member[]): Promise<void> {
    let usedMs = 0
    let failedMs = 0
    while (group.length < groupMax) {
      const batch = pendingMembers.shiftBatch(kind, groupMax - group.length, limits.store.batchBytesMax)
      if (batch.length === 0) return
      const doneBefore = group.length
      const startedAtMs = share.ownTimeMs()
      group.push(...batch)
      const mayContinue = batch.length === 1 ? await runMember(batch[0]!, group) : await runTogether(batch, group)
      const tookMs = share.ownTimeMs() - startedAtMs
      if (group.length > doneBefore) usedMs += tookMs
      else failedMs += tookMs // apart: each part of this batch would need a commit of its own
      const isLong = usedMs >= limits.store.groupMs || failedMs >= limits.store.transactionMs
      if (!mayContinue || isLong) return // the members have waited long enough for their commit
      const delay = share.yieldIfLong()
      if (delay) await delay
    }
  }

  /** @returns whether more members may join the group. @throws the error that ended the whole transaction */
  async function runMember(member: Member, group: Member[]): Promise<boolean> {
    const isFirst = group.length === 1
    const { outcome, isInTime } = await runInSavepoint(member.fn, isFirst)
    member.outcome = outcome
    if (!('error' in outcome)) return isInTime
    // SQLite would have ended the transaction; PostgreSQL continues. Report it, so that the next message is rejected
    // early.
    if (isMailError(outcome.error, 'disk_full')) failures.recordLasting(outcome.error)
    if (adapter.isIoError(outcome.error)) throw outcome.error // the others run again, too: SQLite's advice is to roll back
    if (!adapter.conflict(outcome.error)) {
      if (member.batch) rejoinMembersBehind(member.batch)
      return isInTime
    }

    group.pop()
    // To the front, so that it is first next time; or to the end: the others may not need the locked row.
    if (!isFirst) pendingMembers.unshift(member)
    else if (countConflict(member)) pendingMembers.push(member)
    else {
      member.outcome = { error: conflictError(outcome.error) }
      group.push(member)
    }
    return false
  }

  /** @returns whether more members may join the group. @throws the error that ended the whole transaction */
  async function runTogether(batch: readonly Member[], group: Member[]): Promise<boolean> {
    const isFirst = group.length === batch.length
    const { done, again, error, mayContinue } = await runBatch(runInSavepoint, batch, isFirst)
    if (isMailError(error, 'disk_full')) failures.recordLasting(error)
    if (adapter.isIoError(error)) throw error
    group.splice(-batch.length, batch.length, ...done)
    for (const member of again.toReversed()) pendingMembers.unshift(member)
    return mayContinue
  }

  /** @returns whether it may run again */
  function countConflict(member: Member): boolean {
    member.conflicts += 1
    return member.conflicts <= limits.store.transactionRerunsMax
  }

  /** A duplicate name is reported as such. If we could not get a lock, the caller can only retry. */
  function conflictError(error: unknown): unknown {
    if (adapter.conflict(error) === 'changed') return error
    return new MailError('unavailable', { detail: 'too many conflicts with other nodes' }, { cause: error })
  }

  /** Handles a conflict of the whole group with another node, after its last member. */
  function runAgain(group: readonly Member[], error: unknown): void {
    const again = group.filter(countConflict)
    for (const member of again.toReversed()) pendingMembers.unshift(member)
    for (const member of group) if (!again.includes(member)) member.reject(conflictError(error))
    log.info({ err: error, members: group.length }, 'transactions conflicted with another node; will retry')
  }

  /** Commits with the events. Rolls back if every member of the group failed. */
  async function commit(group: readonly Member[]): Promise<void> {
    const done = group.flatMap(({ outcome }) => (outcome && 'tx' in outcome ? [outcome.tx] : []))
    if (done.length === 0) return writer.rollback()
    const succeeded = [...new Set(done)] // the members of a batch share theirs

    await writer.endSavepoints()
    const events = succeeded.flatMap((each) => each.events)
    await intake.duringCommit(() => writer.commit(events))
    metrics.commitMembers.observe(done.length)
  }

  /** Each caller continues before the next one gets its result, so that a large group does not block the event loop. */
  async function answer(group: readonly Member[]): Promise<void> {
    // Signal after the commit: listeners must find the new rows.
    if (group.some(({ outcome }) => outcome && 'tx' in outcome)) {
      failures.recordSuccess()
      needs.onCommit()
    }
    share.beginTurn()
    for (const { outcome, resolve, reject } of group) {
      if (outcome && 'tx' in outcome) resolve(outcome.value)
      else reject(outcome?.error)
      await callersHaveRun()
      const delay = share.yieldIfLong()
      if (delay) await delay
    }
  }

  /** @returns the members that do not run again */
  function runAgainAfterIoError(group: readonly Member[], error: unknown): readonly Member[] {
    if (!adapter.isIoError(error)) return group
    groupMax = 1
    const again = failures.lasting ? [] : group.filter(countIoError)
    for (const member of again.toReversed()) pendingMembers.unshift(member)
    return group.filter((member) => !again.includes(member))
  }

  /** @returns whether it may run again */
  function countIoError(member: Member): boolean {
    member.ioErrors += 1
    return member.ioErrors <= limits.store.ioRerunsMax
  }

  /** @param refused the members that do not run again */
  function failGroup(refused: readonly Member[], error: unknown, tookMs: number): void {
    const isForCaller = isStoreFailure(error) || isMailError(error, 'outcome_unknown')
    const failure = isForCaller ? error : new MailError('unavailable', {}, { cause: error })
    if (refused.length === 0) log.warn({ err: error }, 'a commit failed; its transactions run again')
    else log.error({ err: error, members: refused.length }, 'transactions could not be committed')
    metrics.failedCommits.inc()
    if (isMailError(error, 'disk_full')) failures.recordLasting(error)
    else if (isStoreFailure(error)) failures.record(error, tookMs) // any other error is a bug, and no reason to reject all mail
    for (const { reject } of refused) reject(failure)
  }
}

function isStoreFailure(error: unknown): error is MailError {
  return isMailError(error, 'disk_full') || isMailError(error, 'unavailable')
}

/** Resolves when all promises that can run have run: Node empties this queue after that of the promises. */
function callersHaveRun(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs))
}
