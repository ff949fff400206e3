/**
 * Where tests keep their files: in memory if there is enough, because a commit on SQLite then waits for no disk. Only
 * tests that kill processes use the disk, so that kills meet commits that wait for it.
 */
import { mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
/** The space that the files need while tests run. */
const MEMORY_BYTES_MIN = 2 * 1024 ** 3
const RUN_PREFIX = 'martlet-run-'

/** Variables for the processes of a test run: os.tmpdir() returns the first one, diskFolder() the second. */
export function folderVariables(): Record<string, string> {
  return { TMPDIR: runFolder() ?? tmpdir(), TEST_DISK_FOLDER: tmpdir() }
}

/** The system's folder for temporary files, on a disk on most machines. */
export function diskFolder(): string {
  return process.env.TEST_DISK_FOLDER ?? tmpdir()
}

/** undefined: this system has no folder in memory, or not enough space there. */
export function memoryFolder(): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize < MEMORY_BYTES_MIN ? undefined : MEMORY
  } catch {
    return undefined // it does not exist
  }
}

/** Removes the files of this run, and those of killed runs, since nothing else frees their memory. */
export function removeRunFolders(): void {
  const memory = memoryFolder()
  if (memory === undefined) return
  for (const name of readdirSync(memory)) {
    if (!name.startsWith(RUN_PREFIX)) continue
    const pid = Number(name.slice(RUN_PREFIX.length))
    if (pid === process.pid || !isRunning(pid)) rmSync(join(memory, name), { recursive: true, force: true })
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function runFolder(): string | undefined {
  const memory = memoryFolder()
  if (memory === undefined) return undefined
  const folder = join(memory, `${RUN_PREFIX}${process.pid}`)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}
