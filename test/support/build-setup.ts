/**
 * Runs before the tests of each project, and before its other setup: builds what changed, since tests run dist/. Tells
 * the tests which build they run; a build during the run does not change that.
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
