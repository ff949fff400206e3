/**
 * Stops the components that were started, within one grace period for all of them: a supervisor kills a process that takes longer, in
 * the middle of its work.
 *
 * Components that begin work stop first, and all at once: none of them claims or accepts work while another one still finishes some, and
 * each has the whole period. Then stop the components that these need, in reverse order, within the time that is left.
 *
 * A stop that takes long says once what it waits for: otherwise an operator cannot tell it from a process that hangs.
 */
import type { Log } from '../log.ts'

/** @param graceMs how long running work may take */
type Stop = (graceMs: number) => void | Promise<void>

/** What a component may have to finish. */
interface Work {
  /** In the log, in the plural. */
  readonly kind: string
  count(): number
}

/** A stop without running work takes less. */
const REPORT_AFTER_MS = 2_000

export interface StopList {
  /**
   * Adds a component that others need.
   *
   * @param name of the component, in the log
   */
  add(name: string, stop: Stop): void
  /**
   * Adds a component that begins work.
   *
   * @param work if it can run for long
   */
  addWorking(name: string, stop: Stop, work?: Work): void
  /** Stops every component, even if one fails. Later calls return the first promise. */
  stopAll(): Promise<void>
}

interface Component {
  readonly name: string
  readonly stop: Stop
  readonly work?: Work | undefined
}

export function createStopList(log: Log, shutdownGraceMs: number): StopList {
  const working: Component[] = []
  const others: Component[] = []
  let stopping: Promise<void> | undefined

  return {
    add: (name, stop) => void others.push({ name, stop }),
    addWorking: (name, stop, work) => void working.push({ name, stop, work }),
    stopAll() {
      stopping ??= stopAll()
      return stopping
    },
  }

  async function stopAll(): Promise<void> {
    const endsAtMs = performance.now() + shutdownGraceMs
    const unfinished = new Set<Component>()
    const report = setTimeout(() => {
      const graceMs = Math.max(0, Math.round(endsAtMs - performance.now()))
      log.info({ waitsFor: remaining(unfinished), graceMs }, 'the stop waits for running work')
    }, REPORT_AFTER_MS)
    const stop = async (component: Component): Promise<void> => {
      unfinished.add(component)
      try {
        await component.stop(Math.max(0, endsAtMs - performance.now()))
      } catch (error) {
        log.error({ err: error, component: component.name }, 'component failed to shut down cleanly')
      }
      unfinished.delete(component)
    }
    await Promise.all(working.toReversed().map(stop))
    for (const each of others.toReversed()) await stop(each)
    clearTimeout(report)
  }
}

/**
 * Returns the counts of running work by kind; without any, the number 1 for each component. A component without work of its own may wait for
 * others: the HTTP listener does, for the mail that is arriving.
 */
function remaining(unfinished: Iterable<Component>): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { work } of unfinished) {
    const count = work?.count() ?? 0
    if (work && count > 0) counts[work.kind] = (counts[work.kind] ?? 0) + count
  }
  if (Object.keys(counts).length > 0) return counts
  return Object.fromEntries([...unfinished].map(({ name }) => [name, 1]))
}
