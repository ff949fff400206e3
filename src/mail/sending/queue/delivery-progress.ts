/**
 * Records which server a delivery talks to, so that the queue can show it, on every node. Only a delivery that takes long
 * writes it: most end within a second, and a commit for each would cost as much as its outcome.
 *
 * Crash: the row keeps the server until the next claim; without a lease it is not shown.
 * Failure: logged by `write`; the next server is written again.
 */

export interface DeliveryProgress {
  /** The delivery talks to this server from now on. */
  reached(server: string): void
  /** Call it when the delivery has ended. */
  end(): void
}

/** @param write must not reject */
export function createDeliveryProgress(afterMs: number, write: (server: string) => Promise<unknown>): DeliveryProgress {
  let timer: NodeJS.Timeout | undefined
  let current: string | undefined
  let isEnded = false

  return {
    reached(server) {
      current = server
      if (!isEnded) timer ??= setTimeout(record, afterMs).unref()
    },

    end() {
      isEnded = true
      clearTimeout(timer)
    },
  }

  async function record(): Promise<void> {
    const written = current!
    await write(written)
    timer = undefined
    if (!isEnded && current !== written) timer = setTimeout(record, afterMs).unref()
  }
}
