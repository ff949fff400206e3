/** Waiting that ends before the work does: by a deadline, for everything that must end when the server stops, or by a signal. */

/**
 * Waits for the work, at most for this time. The work goes on after that: the caller aborts it or abandons it.
 *
 * @throws what the work throws, unless the time is over
 */
export async function waitAtMost(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  try {
    await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the work until the signal aborts. The work goes on after that. @throws the reason of `signal`; what the work throws */
export async function waitUnlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
