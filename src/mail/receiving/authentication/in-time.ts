/** Limits of time for one lookup, so that it delays no other one. Used by the checks of this folder. */

/** Why a result is a temperror. */
export const LATE = 'DNS did not answer in time'

/**
 * Returns what the work finds. After `ms`, `late` provides the result, or an error as a rejection.
 */
export async function inTime<Result>(work: Promise<Result>, ms: number, late: () => Result | Error): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<Result>((resolve, reject) => {
    const end = () => {
      const result = late()
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    timer = setTimeout(end, ms).unref() // while it waits, a socket is open
  })
  try {
    return await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}
