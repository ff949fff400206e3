/**
 * The server under measurement, in a separate process, with its data on the disk of the current folder. With
 * DATABASE=postgres it uses its own PostgreSQL, which flushes each commit to the disk of the system's temporary folder.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { resolve as absolute, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startPostgresServer } from '../test/support/postgres-server.ts'
import type { ProbeReading } from './server-probe.ts'

export const KEY = 'am_bench_key_of_this_run'

export interface BenchServer {
  readonly url: string
  readonly smtpPort: number
  /** Only with a setting for it. */
  readonly submissionPort?: number
  readonly imapPort?: number
  readonly imapsPort?: number
  readonly pid: number
  readonly dataDir: string
  /** undefined: SQLite. */
  readonly databaseUrl: string | undefined
  request(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>
  /** What happened in the process since the last call; memory after a garbage collection with `--expose-gc`. */
  probe(): Promise<ProbeReading>
  /** @param keepsData a next server gets its folder as MARTLET_DATA_DIR, and removes it; SQLite only */
  stop(keepsData?: boolean): Promise<void>
}

export async function startBenchServer(
  env: Readonly<Record<string, string>> = {},
  nodeFlags: readonly string[] = [],
  cli = process.env.BENCH_CLI ?? 'dist/cli.js',
  options: readonly string[] = [],
): Promise<BenchServer> {
  const dataDir = env.MARTLET_DATA_DIR ?? mkdtempSync('.bench-data-')
  const postgres = process.env.DATABASE === 'postgres' ? await startPostgresServer({ fsync: 'on' }) : undefined
  const probe = fileURLToPath(new URL('./server-probe.js', import.meta.url))
  const probeSocket = absolute(join(dataDir, 'probe'))
  rmSync(probeSocket, { force: true }) // of a server before in the same folder
  const child = spawn(process.execPath, ['--import', probe, ...nodeFlags, cli, 'serve', ...options], {
    env: {
      PATH: process.env.PATH,
      BENCH_PROBE: probeSocket,
      MARTLET_DATA_DIR: dataDir,
      MARTLET_ROOT_KEY: KEY,
      MARTLET_HTTP_PORT: '0',
      MARTLET_SMTP_PORT: '0',
      MARTLET_SUBMISSION_PORT: 'off',
      MARTLET_SUBMISSIONS_PORT: 'off',
      MARTLET_IMAP_PORT: 'off',
      MARTLET_IMAPS_PORT: 'off',
      MARTLET_LOG_LEVEL: 'info',
      // One organization sends as much as the server can.
      MARTLET_KEY_REQUESTS: 'off',
      MARTLET_INBOX_SENDS: 'off',
      MARTLET_ORGANIZATION_SENDS: 'off',
      ...(postgres && { MARTLET_DATABASE_URL: postgres.url }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ready = await new Promise<Pick<BenchServer, 'url' | 'smtpPort' | 'submissionPort' | 'imapPort' | 'imapsPort'>>(
    (resolve, reject) => {
      const lines = createInterface({ input: child.stdout! })
      lines.on('line', (line) => {
        const parsed = JSON.parse(line) as { msg: string } & BenchServer
        if (parsed.msg !== 'ready') return
        resolve(parsed)
        lines.close()
        child.stdout!.resume() // parsing a line per request would cost the load generator more than the request
      })
      child.once('exit', (code) => reject(new Error(`the server exited with ${code}`)))
    },
  )
  return {
    ...ready,
    pid: child.pid!,
    dataDir,
    databaseUrl: postgres?.url,
    async request(method, path, body) {
      const response = await fetch(`${ready.url}/v0${path}`, {
        method,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return (await response.json()) as Record<string, unknown>
    },
    async probe() {
      return JSON.parse(await text(connect(probeSocket))) as ProbeReading
    },
    async stop(keepsData = false) {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      await postgres?.[Symbol.asyncDispose]()
      if (!keepsData) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** /proc counts CPU time in hundredths of a second. */
const TICK_MS = 10

/** User and system time of a process so far, all threads (proc(5), fields 14 and 15; Linux only). */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** CPU time of the main thread of a process so far, which is its event loop (proc(5), schedstat; Linux only). */
export function eventLoopMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
}
