/** Divides a search into slices of time, between which other work of the event loop runs. */
import { setImmediate } from 'node:timers/promises'

/**
 * @param sliceMs length of a slice
 * @returns a function to call in loops: a promise to await when the slice is over, undefined before
 */
export function createSlices(sliceMs: number): () => Promise<void> | undefined {
  let beganAtMs = performance.now()
  return () => (performance.now() - beganAtMs < sliceMs ? undefined : begin())

  async function begin(): Promise<void> {
    await setImmediate()
    beganAtMs = performance.now()
  }
}
