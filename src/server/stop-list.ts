/**
 * Stops the components that were started, within one grace period for all of them: a supervisor kills a process that takes longer, in
 * the middle of its work.
 *
 * Components that begin work stop first, and all at once: none of them claims or accepts work while another one still finishes some, and
 * each has the whole period. Then stop the components that these need, in reverse order, within the time that is left.
 */
import type { Log } from '../log.ts'

/** @param graceMs how long running work may take */
type Stop = (graceMs: number) => void | Promise<void>

export interface StopList {
  /**
   * Adds a component that others need.
   *
   * @param name of the component, in the log
   */
  add(name: string, stop: Stop): void
  /** Adds a component that begins work. */
  addWorking(name: string, stop: Stop): void
  /** Stops every component, even if one fails. Later calls return the first promise. */
  stopAll(): Promise<void>
}

interface Component {
  readonly name: string
  readonly stop: Stop
}

export function createStopList(log: Log, shutdownGraceMs: number): StopList {
  const working: Component[] = []
  const others: Component[] = []
  let stopping: Promise<void> | undefined

  return {
    add: (name, stop) => void others.push({ name, stop }),
    addWorking: (name, stop) => void working.push({ name, stop }),
    stopAll() {
      stopping ??= stopAll()
      return stopping
    },
  }

  async function stopAll(): Promise<void> {
    const endsAtMs = performance.now() + shutdownGraceMs
    const stop = async (component: Component): Promise<void> => {
      try {
        await component.stop(Math.max(0, endsAtMs - performance.now()))
      } catch (error) {
        log.error({ err: error, component: component.name }, 'component failed to shut down cleanly')
      }
    }
    await Promise.all(working.toReversed().map(stop))
    for (const each of others.toReversed()) await stop(each)
  }
}
