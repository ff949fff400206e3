/** A server process with a heap of 128 MiB: what it keeps for its clients must be limited. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MAIL_PROGRAMS_OFF } from './free-port.ts'
import { ROOT_KEY } from './root-key.ts'
import { type ServerProcess, startServer } from './server-process.ts'
import { createTestDatabase } from './test-database.ts'

export interface SmallHeapServer extends AsyncDisposable {
  readonly process: ServerProcess
  /** Does the work; fails at once when the server ends. */
  whileAlive(work: () => Promise<void>): Promise<void>
}

export async function startSmallHeapServer(): Promise<SmallHeapServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const database = await createTestDatabase('started', dataDir)
  const server = await startServer({
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
    NODE_OPTIONS: '--max-old-space-size=128',
  })
  return {
    process: server,
    async whileAlive(work) {
      const died = server.exited.then((code) => Promise.reject(new Error(`the server ended with ${code}`)))
      await Promise.race([died, work()])
    },
    async [Symbol.asyncDispose]() {
      server.signal('SIGKILL')
      await server.exited
      await database[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
