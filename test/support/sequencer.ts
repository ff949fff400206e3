/**
 * The order of test files within a project: the slowest files start first, since a slow one at the end would run alone.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Each of these takes 5 seconds or more; a run prints its slowest files at the end. Others start in the order of their sizes, so
 * a file that runs a suite of other files belongs here too.
 */
const LONG = [
  'flows/kill-nine-subscribers',
  'flows/kill-nine',
  'flows/database-away',
  'flows/send-to-mx',
  'readme',
  'cli',
  'smtp/mail-servers',
  'flows/two-nodes',
  'flows/wait-for-message',
  'flows/two-servers',
  'dialects/agentmail/hostile',
  'hostile/corpus',
  'flows/contained-faults',
  'imap/server/suite',
  'dialects/agentmail/schemathesis',
  'dialects/agentmail/python-clients',
  'messages/mail-parser',
  'dialects/agentmail/domains',
  'flows/scheduled-drafts',
  'flows/slow-readers',
  'package',
].map((name) => `/test/${name}.test.ts`)

export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => lengthRank(a) - lengthRank(b))
  }
}

function lengthRank({ moduleId }: TestSpecification): number {
  const index = LONG.findIndex((path) => moduleId.endsWith(path))
  return index === -1 ? LONG.length : index
}
