/** The program that users run, for tests that start it as a process. Waits until the test run has bundled it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isBundled } from '../../scripts/build.js'

const WAIT_MS_MAX = 60_000

/** @param file an entry of the bundle (scripts/build.js) */
export function bundleUrl(file: string): string {
  return new URL(`../../dist/${file}`, import.meta.url).href
}

export const cli = fileURLToPath(bundleUrl('cli.js'))

for (let waitedMs = 0; !isBundled(); waitedMs += 50) {
  if (waitedMs > WAIT_MS_MAX) throw new Error('dist/ is not up to date: a source has changed during the test run')
  await sleep(50)
}
