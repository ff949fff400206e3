/**
 * What Linux says of a thread, and lets it change: the CPU time that it has used, which does not grow while it waits for a core, and its
 * priority. Each thread of a process has a nice value of its own there (sched(7)). Elsewhere neither is known, and nothing is changed.
 *
 * Work in a thread with a low priority has to be limited by CPU time: on a busy machine, the clock says nothing about the work.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** The lowest priority. */
const NICE_MAX = 19

/** /proc counts CPU time in hundredths of a second (USER_HZ), whatever the clock of the kernel is. */
const TICK_MS = 10

/** Positions behind the name of the thread, which may contain spaces and brackets: fields 14, 15 and 19 of proc(5). */
const FIELDS = { userTicks: 11, systemTicks: 12, nice: 16 } as const

/** Returns the number of the calling thread in /proc; 0: this system has none. */
export function ownThreadId(): number {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? 0)
  } catch {
    return 0 // not Linux, or a sandbox without /proc: callers then use the clock
  }
}

/** @returns undefined: this process has no such thread any more, or the system does not say */
export function schedulingOf(threadId: number): { readonly cpuMs: number; readonly nice: number } | undefined {
  if (threadId === 0) return undefined
  try {
    // Not schedstat beside it, which is finer: some kernels and sandboxes do not have it, or always report 0.
    const line = readFileSync(`/proc/self/task/${threadId}/stat`, 'latin1')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[FIELDS.userTicks]) + Number(fields[FIELDS.systemTicks])
    return { cpuMs: ticks * TICK_MS, nice: Number(fields[FIELDS.nice]) }
  } catch {
    return undefined // it has just ended
  }
}

/**
 * Lowers the priority of the calling thread, for as long as it lives: without a privilege, no thread can raise its own again. Threads that it
 * starts have the same priority.
 *
 * @param levels added to the nice value of the thread; each is worth a fifth of the time that it gets beside busy threads
 */
export function lowerOwnPriority(levels: number): void {
  // Without /proc, nothing would say what is the fault of the work, and what that of the priority. On other systems, it is that of the process.
  if (levels <= 0 || ownThreadId() === 0) return
  try {
    setPriority(Math.min(NICE_MAX, getPriority() + levels))
  } catch {
    // A sandbox forbids it (the filter `@resources` of systemd): the thread works as well with the priority that it has.
  }
}
