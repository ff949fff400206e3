/** Stops the components that were started, in reverse order. */
import type { Log } from '../log.ts'

export interface StopList {
  /** @param name of the component, in the log */
  add(name: string, stop: () => void | Promise<void>): void
  /** Stops every component, even if one fails. Later calls return the first promise. */
  stopAll(): Promise<void>
}

export function createStopList(log: Log): StopList {
  const stops: { readonly name: string; readonly stop: () => void | Promise<void> }[] = []
  let stopping: Promise<void> | undefined

  return {
    add: (name, stop) => void stops.push({ name, stop }),
    stopAll() {
      stopping ??= stopAll()
      return stopping
    },
  }

  async function stopAll(): Promise<void> {
    for (const { name, stop } of stops.toReversed()) {
      try {
        await stop()
      } catch (error) {
        log.error({ err: error, component: name }, 'component failed to shut down cleanly')
      }
    }
  }
}
