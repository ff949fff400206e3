/**
 * Decides from failed commits whether the store still accepts work. One failed commit says little: a disk with sporadic
 * I/O errors commits most groups. So mail and sends are refused before their bytes are read only when commits keep
 * failing, and accepted again after the first commit that succeeds.
 */
import type { Limits } from '../../config/limits.ts'
import type { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'

export interface CommitFailures {
  /** The failure that lasts; undefined while work is accepted. */
  readonly lasting: MailError | undefined
  /** Milliseconds since the last successful commit; Infinity if there was none, or if one has failed since. */
  sinceSuccessMs(): number
  /** @param tookMs how long the group ran that failed */
  record(error: MailError, tookMs: number): void
  /** Like `record`, for a failure that needs no repetition: the disk is full, or a commit does not end. */
  recordLasting(error: MailError): void
  recordSuccess(): void
}

export function createCommitFailures({ limits, log }: { limits: Limits; log: Log }): CommitFailures {
  const { failedCommitsMax, failedCommitsMs } = limits.store
  let lasting: MailError | undefined
  let failedCount = 0
  let failedMs = 0
  let succeededAtMs = Number.NEGATIVE_INFINITY

  return {
    get lasting() {
      return lasting
    },

    sinceSuccessMs: () => performance.now() - succeededAtMs,

    record(error, tookMs) {
      succeededAtMs = Number.NEGATIVE_INFINITY
      failedCount += 1
      failedMs += tookMs
      // The time too: while a database is unreachable, each commit fails only after a long wait.
      if (lasting || failedCount >= failedCommitsMax || failedMs >= failedCommitsMs) recordLasting(error)
    },

    recordLasting,

    recordSuccess() {
      if (lasting) log.info('commits succeed again; mail and sends are accepted')
      lasting = undefined
      failedCount = 0
      failedMs = 0
      succeededAtMs = performance.now()
    },
  }

  function recordLasting(error: MailError): void {
    if (!lasting) log.error({ err: error }, 'commits keep failing; mail and sends are refused until one succeeds')
    lasting = error
    succeededAtMs = Number.NEGATIVE_INFINITY
  }
}
