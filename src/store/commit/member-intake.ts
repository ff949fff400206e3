/**
 * Decides which transactions may wait for a group: none while the server stops, or behind a commit that takes too long,
 * and only as many as the queue has places for. Part of group-commit.ts.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { CommitFailures } from './commit-failures.ts'
import type { MemberQueue, Queued } from './member-queue.ts'

export interface MemberIntake {
  /** Returns the error for a new transaction; undefined: it may wait. */
  refusal(): MailError | undefined
  /** From now on, new transactions are rejected. */
  close(): void
  /**
   * Runs a commit. If it takes longer than limits.store.transactionMs, its members wait for the outcome, but transactions
   * in the queue are rejected, and new ones too until it ends: their callers may retry.
   */
  duringCommit(commit: () => Promise<void>): Promise<void>
}

interface MemberIntakeNeeds {
  readonly pendingMembers: MemberQueue<Queued & { reject(error: unknown): void }>
  readonly limits: Limits
  /** A commit that takes too long is recorded here. */
  readonly failures: Pick<CommitFailures, 'recordLasting'>
}

export function createMemberIntake({ pendingMembers, limits, failures }: MemberIntakeNeeds): MemberIntake {
  let isClosing = false
  /** The current commit takes too long. */
  let isStuck = false

  return {
    refusal() {
      if (isClosing) return new MailError('shutting_down', {})
      if (isStuck) return stuckBehindCommit()
      if (pendingMembers.length < limits.store.transactionQueueMax) return undefined
      return new MailError('unavailable', { detail: 'too many transactions are waiting' })
    },

    close() {
      isClosing = true
    },

    async duringCommit(commit) {
      const timer = setTimeout(() => {
        isStuck = true
        const failure = stuckBehindCommit()
        failures.recordLasting(failure)
        for (const { reject } of pendingMembers.takeAll()) reject(failure)
      }, limits.store.transactionMs)
      try {
        await commit()
      } finally {
        clearTimeout(timer)
        isStuck = false
      }
    },
  }
}

function stuckBehindCommit(): MailError<'unavailable'> {
  return new MailError('unavailable', { detail: 'an earlier commit has not finished' })
}
