/**
 * How long does a start take?
 *
 *   npm run bench -- start        ROUNDS=9  BEFORE=../older/dist/cli.js
 *
 * Measures from the start of the process until `GET /readyz` returns 200, with nothing to build: on an existing data
 * folder, and in a fresh one, where it also creates tables, a key and a certificate. The reference is a Node process with a
 * bare HTTP server; with BEFORE also another build. Rounds alternate; medians are printed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/support/free-port.ts'
import { atMost, report } from './report.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 9)
/** Time between two requests to /readyz. */
const POLL_MS = 5

const dataDir = mkdtempSync(join(process.cwd(), '.bench-data-'))
const port = await freePort()
const bare = `require('node:http').createServer((_, answer) => answer.end()).listen(${port}, '127.0.0.1')`

interface Contestant {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly isFresh?: boolean
  readonly goalMs?: number
}

const builds = [{ name: 'node dist/cli.js serve', cli: 'dist/cli.js' }]
if (process.env.BEFORE) builds.unshift({ name: 'before', cli: process.env.BEFORE })
const contestants: readonly Contestant[] = [
  { name: 'npm start', command: 'npm', args: ['start'], goalMs: 1_000 },
  ...builds.flatMap(({ name, cli }) => {
    const start = { command: process.execPath, args: [cli, 'serve'] }
    return [
      { name, ...start, goalMs: 500 },
      { name: `${name}, fresh folder`, ...start, isFresh: true, goalMs: 800 },
    ]
  }),
  { name: 'a bare HTTP server', command: process.execPath, args: ['-e', bare] },
]

try {
  await untilReady(contestants[0]!) // builds, and creates tables and keys
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, each] of contestants.entries()) times[index]!.push(await untilReady(each))
  }
  const medians = times.map((each) => each.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!)
  const bareMs = medians.at(-1)!
  for (const [index, { name, goalMs }] of contestants.entries()) {
    const [ms, all] = [medians[index]!, times[index]!]
    report({
      what: `${name}: ready`,
      measured: `${Math.round(ms)} ms (${Math.round(Math.min(...all))} to ${Math.round(Math.max(...all))})`,
      beside: `a bare HTTP server ${Math.round(bareMs)} ms`,
      ratio: ms / bareMs,
      ...atMost(ms, goalMs, ' ms'),
    })
  }
} finally {
  rmSync(dataDir, { recursive: true })
}

/** Starts the command, waits until it is ready, stops it, and returns the milliseconds until it was ready. */
async function untilReady({ command, args, isFresh = false }: Contestant): Promise<number> {
  const folder = isFresh ? mkdtempSync(join(process.cwd(), '.bench-data-')) : dataDir
  const startedAt = performance.now()
  const child = spawn(command, args, {
    env: {
      ...process.env,
      MARTLET_DATA_DIR: folder,
      MARTLET_HTTP_PORT: String(port),
      MARTLET_SMTP_PORT: '0',
      MARTLET_SUBMISSION_PORT: 'off',
      MARTLET_SUBMISSIONS_PORT: 'off',
      MARTLET_IMAP_PORT: 'off',
      MARTLET_IMAPS_PORT: 'off',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true, // npm and the server form one process group, as in a terminal
  })
  const exited = once(child, 'exit')
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`${command} exited with ${child.exitCode}`)
    await delay(POLL_MS)
  }
  const took = performance.now() - startedAt
  process.kill(-child.pid!, 'SIGTERM')
  await exited
  if (isFresh) rmSync(folder, { recursive: true })
  return took
}

async function isReady(): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  } catch {
    return false // the port is not open yet
  }
}
