/**
 * Watches the free space of the folders that are written to, so that a mail is refused before it is taken and not when its commit fails.
 *
 * It looks by a timer and answers from memory: each SMTP command and request asks. A look that fails is logged, and
 * counts as no room until one succeeds.
 */
import { statfs } from 'node:fs/promises'
import { MailError } from '../errors.ts'
import type { Log } from '../log.ts'

/** Free bytes of the file system that holds a folder. */
export type FreeBytes = (folder: string) => Promise<number>

export interface DiskWatch {
  /** @throws disk_full, or unavailable when the folder could not be looked at */
  requireRoom(): void
  stop(): void
}

interface DiskWatchNeeds {
  folders: readonly string[]
  freeBytesMin: number
  intervalMs: number
  log: Log
  /** After each look. */
  onLook(): void
  freeBytes?: FreeBytes | undefined
}

/** Resolves after the first look. */
export async function watchDisk(needs: DiskWatchNeeds): Promise<DiskWatch> {
  const { folders, freeBytesMin, intervalMs, log, onLook, freeBytes = freeBytesOf } = needs
  let problem: MailError | undefined
  let isLooking = false

  await look()
  const timer = setInterval(() => void look(), intervalMs)
  timer.unref()

  return {
    requireRoom() {
      if (problem) throw problem
    },
    stop: () => clearInterval(timer),
  }

  async function look(): Promise<void> {
    if (isLooking) return // a file system that hangs must not gather questions
    isLooking = true
    const before = problem
    try {
      const free = Math.min(...(await Promise.all(folders.map(freeBytes))))
      problem = free < freeBytesMin ? new MailError('disk_full', {}) : undefined
      if (problem && !before) log.error({ folders, freeBytes: free, freeBytesMin }, 'the disk is nearly full')
      if (!problem && before) log.info({ folders, freeBytes: free }, 'the disk has room again')
    } catch (error) {
      problem = new MailError('unavailable', {}, { cause: error })
      if (!before) log.error({ err: error, folders }, 'the free space is unknown')
    } finally {
      isLooking = false
    }
    onLook()
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
