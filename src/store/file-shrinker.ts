/**
 * Gives the free pages of an embedded database file back to the file system, so that deleting mail frees disk space.
 *
 *   every limits.store.shrinkCheckMs: more than freePagesMax free pages? → a transaction releases shrinkPages of them →
 *   pause → … → truncate the file
 *
 * Each transaction is small, and shares no group commit with short ones, because a full disk fails the whole group.
 * Crash: nothing is lost; the next start continues. Stop: waits for the running transaction.
 */
import type { Limits } from '../config/limits.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { GroupCommit } from './commit/group-commit.ts'
import { createPollLoop, type PollLoop } from './commit/poll-loop.ts'
import type { DatabaseFile } from './sql-adapter.ts'

interface FileShrinkerNeeds {
  readonly file: DatabaseFile
  readonly transaction: GroupCommit['transaction']
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

export function startFileShrinker({
  file,
  transaction,
  limits,
  log,
  metrics,
}: FileShrinkerNeeds): Pick<PollLoop, 'stop'> {
  const { freePagesMax, shrinkPages, shrinkPauseMs, shrinkCheckMs } = limits.store
  let releasedPages = 0
  const loop = createPollLoop({ name: 'file shrinker', poll, pollMs: shrinkCheckMs, limits, log, metrics })
  loop.pollSoon()
  return loop

  async function poll(): Promise<number | undefined> {
    const excess = file.freePages() - freePagesMax
    if (excess > 0) {
      const pages = Math.min(excess, shrinkPages)
      await transaction(async () => file.releasePages(pages), { fairnessKey: 'file shrinker' })
      releasedPages += pages
      return shrinkPauseMs
    }
    if (releasedPages > 0) {
      await file.truncate()
      log.info({ pages: releasedPages }, 'free pages of the database file were given back to the file system')
      releasedPages = 0
    }
    return undefined
  }
}
