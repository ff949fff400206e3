/**
 * Runs before the tests of each project, and before its other setup. Compiles what changed, and bundles it meanwhile for
 * tests that start the server as a process (program.ts waits for that). The bundling begins a little later, since it takes the
 * time of a whole core for some seconds: the first result of one file is there before, and most files need no bundle.
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

interface Bundling {
  readonly timer: NodeJS.Timeout
  /** undefined before it has begun. */
  done?: Promise<unknown>
}

const BUNDLE_AFTER_MS = 2_000

/** Each project loads this file by itself; all of them share one bundling. */
const shared = globalThis as { martletBundling?: Bundling }

function bundleSoon(): Bundling {
  const bundling: Bundling = {
    timer: setTimeout(() => {
      bundling.done = buildOrExit(bundle)
    }, BUNDLE_AFTER_MS),
  }
  return bundling
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await buildOrExit(buildModules) // if it were thrown, Vitest would bury the error in its own output
  shared.martletBundling ??= bundleSoon()
  project.provide('build', fingerprint())
  return async () => {
    clearTimeout(shared.martletBundling?.timer)
    await shared.martletBundling?.done
    removeRunFolders()
  }
}
