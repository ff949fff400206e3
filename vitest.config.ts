import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongFirst } from './test/support/sequencer.ts'
import { folderVariables } from './test/support/test-folders.ts'
import { WITH_STORE, WITHOUT_STORE } from './test/support/without-store.ts'

/** What only one database has: its plans and files, and its ways to fail. */
const ofSqlite = ['checkpoint', 'data-dir-lock', 'plans', 'sqlite-reader'].map((name) => `test/store/${name}.test.ts`)
const ofPostgres = ['test/store/postgres/**/*.test.ts']
const buildSetup = 'test/support/build-setup.ts'

/**
 * V8 optimises a function when it has run for a while. Tests end before that pays: with the default of 67,584, the optimiser took a
 * fifth of the CPU time of the workers; with this, they take a tenth less (docs/adr/0071). Node 24 refuses the option.
 */
const LATE_OPTIMISER = process.version.startsWith('v20.') ? ['--interrupt-budget=1000000'] : []

const common = {
  // Real servers, sockets and fsyncs on two cores: slow is not broken. A hang is found all the same.
  testTimeout: 30_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 20_000 } },
  // Test files of one project share worker processes and loaded modules: loading them for each file took a third of the
  // time. So a file must leave nothing behind in a module or in the process.
  isolate: false,
  execArgv: LATE_OPTIMISER,
  env: folderVariables(),
  // Tests import `../src/x.ts` and run build/src/x.js, as the server and its threads do. Node loads that in a fifth of the time
  // that Vitest needs to compile and load the sources.
  alias: [
    { find: /^(?:\.\.?\/)+src\/(.+)\.ts$/, replacement: fileURLToPath(new URL('build/src/$1.js', import.meta.url)) },
  ],
  // `agentmail` has 2,000 files, which take half a second to load one by one.
  deps: { optimizer: { ssr: { enabled: true, include: ['agentmail'] } } },
  server: { deps: { external: [/\/build\/src\//] } },
}

/** A run of named files reports each test when it ends; a run of everything reports each file. */
const namesFiles = process.argv.some((argument) => argument.startsWith('test/'))
const reporters = [namesFiles ? 'verbose' : 'default', './test/support/slowest-files.ts']
/** Where CI wants the results as JSON. */
const { TEST_RESULTS } = process.env

export default defineConfig({
  test: {
    // One more than the two cores of the usual machine: tests wait for timeouts, other processes and disks a third of the time.
    // Of 18 files that took 41 s with two workers, three needed 35 s; each worker loads the modules once (2 s of CPU).
    maxWorkers: 3,
    watch: false, // it would not notice that src/ has changed
    reporters: TEST_RESULTS ? [...reporters, ['json', { outputFile: TEST_RESULTS }]] : reporters,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'sqlite',
          include: ['test/**/*.test.ts'],
          exclude: ofPostgres,
          globalSetup: buildSetup,
        },
      },
      {
        test: {
          ...common,
          name: 'postgres',
          // After SQLite: a worker keeps what it has loaded within a project only, and the first result comes sooner.
          sequence: { groupOrder: 1 },
          // Everything that has a store below it; the rest cannot tell the difference.
          include: [
            ...WITH_STORE.map((folder) => `${folder}**/*.test.ts`),
            'test/submission/{logins,rules}.test.ts',
            'test/dialects/agentpost/repeated-sends.test.ts',
            'test/dialects/agentmail/{api-keys,batch,domains,downloads,drafts,hostile,inboxes,lists,messages,metrics,queue,sdk-operations,search,sending,sign-up,tenants,threads,webhooks}.test.ts',
          ],
          exclude: [...ofSqlite, ...WITHOUT_STORE],
          globalSetup: [buildSetup, 'test/support/postgres-setup.ts'],
          setupFiles: 'test/support/postgres-ready.ts',
        },
      },
    ],
  },
})
