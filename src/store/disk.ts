/**
 * Watches the free space of the folders that we write to, so that a message is rejected before its bytes are read, and
 * not when its commit fails.
 *
 * A timer checks the file system, and `checkSpace` only reads the last result, because each SMTP command and HTTP
 * request calls it. A check that fails is logged, and writes are rejected until a check succeeds.
 */
import { statfs } from 'node:fs/promises'
import { MailError } from '../errors.ts'
import type { Log } from '../log.ts'

/** Returns the free bytes of the file system that contains a folder. */
export type FreeBytes = (folder: string) => Promise<number>

export interface DiskWatch {
  /** @throws disk_full, or unavailable when the last check failed */
  checkSpace(): void
  stop(): void
}

interface DiskWatchNeeds {
  folders: readonly string[]
  freeBytesMin: number
  intervalMs: number
  log: Log
  /** Called after each check. */
  onCheck(): void
  freeBytes?: FreeBytes | undefined
}

/** Resolves after the first check. */
export async function watchDisk(needs: DiskWatchNeeds): Promise<DiskWatch> {
  const { folders, freeBytesMin, intervalMs, log, onCheck, freeBytes = freeBytesOf } = needs
  let problem: MailError | undefined
  let isChecking = false

  await check()
  const timer = setInterval(() => void check(), intervalMs)
  timer.unref()

  return {
    checkSpace() {
      if (problem) throw problem
    },
    stop: () => clearInterval(timer),
  }

  async function check(): Promise<void> {
    if (isChecking) return // if the file system hangs, checks must not pile up
    isChecking = true
    const before = problem
    try {
      const free = Math.min(...(await Promise.all(folders.map(freeBytes))))
      problem = free < freeBytesMin ? new MailError('disk_full', {}) : undefined
      if (problem && !before) log.error({ folders, freeBytes: free, freeBytesMin }, 'the disk is nearly full')
      if (!problem && before) log.info({ folders, freeBytes: free }, 'the disk has enough free space again')
    } catch (error) {
      problem = new MailError('unavailable', {}, { cause: error })
      if (!before) log.error({ err: error, folders }, 'free disk space could not be read')
    } finally {
      isChecking = false
    }
    onCheck()
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
