/**
 * The order of test files. A worker is kept for the next file of the same project and loads everything again for another, so
 * projects follow each other: SQLite first, while the PostgreSQL of the other starts. Files that take long come first in
 * each, since a long one that comes last runs alone.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Each takes 5 seconds or more; the run prints its slowest files at the end. */
const LONG = [
  ...[
    'kill-nine-subscribers',
    'kill-nine',
    'database-away',
    'send-to-mx',
    'two-nodes',
    'wait-for-message',
    'two-servers',
  ],
  ...['cli', 'readme', 'package', 'hostile'],
]

export class DatabaseByDatabase extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => project(a) - project(b) || length(a) - length(b))
  }
}

function project({ project }: TestSpecification): number {
  return project.name === 'sqlite' ? 0 : 1
}

function length({ moduleId }: TestSpecification): number {
  const name = /([^/\\]+)\.test\.ts$/.exec(moduleId)![1]!
  const place = LONG.indexOf(name)
  return place === -1 ? LONG.length : place
}
