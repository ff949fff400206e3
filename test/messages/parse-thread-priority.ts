/** What tests see of the priority of a parse thread. */
import { readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { type ParseThread, PROGRESS } from '../../src/mail/messages/content/parse-worker.ts'

/** Each thread has a priority of its own on Linux alone. A process that has the lowest one cannot show a lower one. */
export const canSeePriorities = process.platform === 'linux' && getPriority() < 19

/** On a machine that runs other tests at the same time, a low priority would only make the tests of large messages take longer. */
export const UNHURRIED = { parsing: { largeNiceLevels: 0 } }

/** Returns how many levels the nice value of the thread is above that of this process (proc(5), field 19). */
export function nicenessAbove({ progress }: ParseThread): number {
  const line = readFileSync(`/proc/self/task/${Atomics.load(progress, PROGRESS.threadId)}/stat`, 'utf8')
  return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[16]) - getPriority()
}
