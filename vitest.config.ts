import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { DatabaseByDatabase } from './test/support/sequencer.ts'

/** What only one database has: its plans and files, and its ways to fail. */
const ofSqlite = ['checkpoint', 'folder', 'plans'].map((name) => `test/store/${name}.test.ts`)
const ofPostgres = ['test/store/postgres/**/*.test.ts']
/** In folders whose other files have a store below them. */
const withoutStore = [
  ...['audience', 'event-types'].map((name) => `test/events/${name}.test.ts`),
  'test/sending/remote-target.test.ts',
  ...['endpoint', 'lanes', 'retry'].map((name) => `test/webhooks/${name}.test.ts`),
]

const common = {
  // Real servers, sockets and fsyncs on two cores: slow is not broken. A hang is found all the same.
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // Files of one project share their workers, and with them what was imported: loading it once per file took a third of
  // the time. So no file may leave anything behind in a module or in the process.
  isolate: false,
  // Tests write `../src/x.ts` and run dist/x.js, as the server and its threads do. Node loads that by itself, in a fifth of
  // the time that compiling each source for the test takes.
  alias: [{ find: /^(?:\.\.?\/)+src\/(.+)\.ts$/, replacement: fileURLToPath(new URL('dist/$1.js', import.meta.url)) }],
  // Of two thousand files, which take half a second to load.
  deps: { optimizer: { ssr: { enabled: true, include: ['agentmail'] } } },
  server: { deps: { external: [/\/dist\//] } },
}

/** Of one file each test is reported when it ends, of all of them each file. */
const isOfOneFile = process.argv.some((argument) => argument.endsWith('.test.ts'))
const reporters = [isOfOneFile ? 'verbose' : 'default', './test/support/slowest-files.ts']
/** Where CI wants the results as JSON. */
const { TEST_RESULTS } = process.env

export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: 'test/support/build-setup.ts',
    reporters: TEST_RESULTS ? [...reporters, ['json', { outputFile: TEST_RESULTS }]] : reporters,
    sequence: { sequencer: DatabaseByDatabase },
    projects: [
      { test: { ...common, name: 'sqlite', include: ['test/**/*.test.ts'], exclude: ofPostgres } },
      {
        test: {
          ...common,
          name: 'postgres',
          sequence: { groupOrder: 1 }, // after the other: of one file, the result on SQLite comes within two seconds
          // Everything that has a store below it; the rest cannot tell the difference.
          include: [
            ...['store', 'flows', 'events', 'sending', 'webhooks'].map((folder) => `test/${folder}/**/*.test.ts`),
            'test/dialects/agentmail/{api-keys,downloads,hostile,inboxes,messages,queue,sending,tenants,threads,webhooks}.test.ts',
          ],
          exclude: [...ofSqlite, ...withoutStore],
          globalSetup: 'test/postgres-setup.ts',
        },
      },
    ],
  },
})
