/**
 * Before the tests of each project, and before its other setup: builds what changed, since tests run dist/. Tells tests which
 * build they run; a build during the run does not change that.
 */
import type { TestProject } from 'vitest/node'
import { buildOrExit, fingerprint } from '../../scripts/build.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Changes with every build. */
    build: string
  }
}

export default function setup(project: TestProject): void {
  buildOrExit() // thrown, the error would be buried in Vitest's own
  project.provide('build', fingerprint())
}
