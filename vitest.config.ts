import { defineConfig } from 'vitest/config'

/** What only one database has: its plans and files, and its ways to fail. */
const ofSqlite = ['checkpoint', 'folder', 'plans'].map((name) => `test/store/${name}.test.ts`)
const ofPostgres = ['test/store/postgres/**/*.test.ts']

const limits = {
  // Real servers, sockets and fsyncs on two cores: slow is not broken. A hang is found all the same.
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default'],
    projects: [
      { test: { ...limits, name: 'sqlite', include: ['test/**/*.test.ts'], exclude: ofPostgres } },
      {
        test: {
          ...limits,
          name: 'postgres',
          // Everything that has a store below it; the rest cannot tell the difference.
          include: [
            ...['store', 'flows', 'events', 'sending', 'webhooks'].map((folder) => `test/${folder}/**/*.test.ts`),
            'test/dialects/agentmail/{api-keys,downloads,hostile,inboxes,messages,queue,sending,tenants,threads,webhooks}.test.ts',
          ],
          exclude: ofSqlite,
          globalSetup: 'test/postgres-setup.ts',
        },
      },
    ],
  },
})
