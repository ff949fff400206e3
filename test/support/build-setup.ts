/**
 * Runs before the tests of each project, and before its other setup. Compiles what changed, and bundles it meanwhile for
 * tests that start the server as a process (program.ts waits for that).
 *
 * Passes the tests the fingerprint of the build that they run; a build during the run does not change it.
 */
import type { TestProject } from 'vitest/node'
import { buildModules, buildOrExit, bundle, fingerprint } from '../../scripts/build.js'
import { removeRunFolders } from './test-folders.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Identifies the build; changes with every build. */
    build: string
  }
}

/** Each project loads this file by itself; all of them share one bundling. */
const shared = globalThis as { martletBundled?: Promise<unknown> }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await buildOrExit(buildModules) // if it were thrown, Vitest would bury the error in its own output
  shared.martletBundled ??= buildOrExit(bundle)
  project.provide('build', fingerprint())
  return async () => {
    await shared.martletBundled
    removeRunFolders()
  }
}
