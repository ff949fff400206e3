/** Waiting with a deadline, for everything that must end when the server stops. */

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
