/**
 * Before the tests of each project, and before its other setup: builds what changed, since tests run dist/. Tells tests which
 * build they run; a build during the run does not change that.
 */
import type { TestProject } from 'vitest/node'
import { build, fingerprint } from '../../scripts/build.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Changes with every build. */
    build: string
  }
}

export default function setup(project: TestProject): void {
  build()
  project.provide('build', fingerprint())
}
