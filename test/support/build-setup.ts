/**
 * Runs before the tests of each project, and before its other setup: compiles what changed, since tests run dist/.
 * Passes the tests the path of the build that they run; a build during the run does not change it.
 */
import type { TestProject } from 'vitest/node'
import { buildOrExit, fingerprint } from '../../scripts/build.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Identifies the build; changes with every build. */
    build: string
  }
}

export default function setup(project: TestProject): void {
  buildOrExit() // if it were thrown, Vitest would bury the error in its own output
  project.provide('build', fingerprint())
}
