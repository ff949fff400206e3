/**
 * Runs several members of a group commit as one batch, in one savepoint (docs/adr/0039). Part of group-commit.ts.
 *
 * If it fails, its members run again in smaller batches, and at last each by itself (failing-member.ts), so that only a member
 * whose transaction fails gets the error. A batch itself may refuse an item, for which it has written nothing: its caller gets
 * the error, and the others are stored. A member that would have to wait is left out. It runs in the next group, when the
 * other node has probably committed; if it is left out again, it runs by itself and waits.
 */
import assert from 'node:assert/strict'
import type { Tx } from '../handles.ts'
import { divideFailedBatch } from './failing-member.ts'
import type { BatchPlace } from './member-queue.ts'
import type { Outcome, RunInSavepoint } from './run-member.ts'

/** The result of a batch for an item that would have to wait for another node. Nothing was written for it. */
export const RUN_LATER = Symbol('run later')

/** The result of a batch for an item that must run by itself, in the same group. Nothing was written for it. */
export const RUN_ALONE = Symbol('run alone')

/** The result of a batch for an item whose caller gets this error. Nothing was written for it. */
export class Refused {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

export type BatchResult<Result> = Result | Refused | typeof RUN_LATER | typeof RUN_ALONE

/** A kind of transaction of which several may run as one. */
export interface Batch<Item, Result> {
  /**
   * Runs the transactions of all items. If it throws, nothing of them is stored.
   *
   * @returns the results in the order of the items; RUN_LATER and RUN_ALONE only if there are several
   */
  run(tx: Tx, items: readonly Item[]): Promise<readonly BatchResult<Result>[]>
  sizeBytes(item: Item): number
}

export interface BatchMember {
  readonly batch?: (BatchPlace & { readonly key: Batch<unknown, unknown>; readonly item: unknown }) | undefined
  outcome?: Outcome
}

interface BatchOutcome<Member> {
  /** They have an outcome. */
  readonly done: readonly Member[]
  /** They must run again; `membersMax` of their place is smaller now. */
  readonly again: readonly Member[]
  /** Why the batch failed. */
  readonly error?: unknown
  /** Whether more members may join the group. */
  readonly mayContinue: boolean
}

/** @throws the error that ended the whole transaction */
export async function runBatch<Member extends BatchMember>(
  runInSavepoint: RunInSavepoint,
  members: readonly Member[],
  isFirst: boolean,
): Promise<BatchOutcome<Member>> {
  const { key } = members[0]!.batch!
  const items = members.map((member) => member.batch!.item)
  const run = async (tx: Tx) => {
    const results = await key.run(tx, items)
    assert.equal(results.length, items.length)
    return results
  }
  const { outcome, isInTime } = await runInSavepoint(run, isFirst)
  if ('error' in outcome) {
    divideFailedBatch(members.map(({ batch }) => batch!))
    return { done: [], again: members, error: outcome.error, mayContinue: isInTime }
  }
  const results = outcome.value as readonly unknown[]
  const done: Member[] = []
  const again: Member[] = []
  const later: Member[] = []
  for (const [index, member] of members.entries()) {
    const result = results[index]
    if (result === RUN_LATER || result === RUN_ALONE) {
      again.push(member)
      member.batch!.suspects = undefined
      if (result === RUN_LATER) later.push(member)
      else member.batch!.membersMax = 1
    } else {
      member.outcome = result instanceof Refused ? { error: result.error } : { tx: outcome.tx, value: result }
      done.push(member)
    }
  }
  for (const { batch } of later) {
    if (batch!.wasLeftOut) batch!.membersMax = 1
    batch!.wasLeftOut = true
  }
  // The group ends, so that our locks do not block the node that we wait for.
  return { done, again, mayContinue: isInTime && later.length === 0 }
}

/** Runs the transaction of one item. */
export async function runItem<Item, Result>(batch: Batch<Item, Result>, tx: Tx, item: Item): Promise<Result> {
  const [result] = await batch.run(tx, [item])
  assert(result !== RUN_LATER && result !== RUN_ALONE)
  if (result instanceof Refused) throw result.error
  return result as Result
}
