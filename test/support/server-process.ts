/** The server as a separate process, for tests that stop or kill it. Runs the bundle (`npm run build`). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { amount } from './amount.ts'
import { bundleUrl, cli } from './program.ts'

export interface ServerProcess {
  readonly url: string
  readonly smtpPort: number
  readonly pid: number
  /** The log lines so far. */
  readonly lines: readonly Record<string, unknown>[]
  /** What it wrote to standard error so far. */
  readonly errors: readonly string[]
  /** Resolves with the exit code (null after a signal). */
  readonly exited: Promise<number | null>
  /** undefined while it runs. */
  exitCode(): number | null | undefined
  signal(name: NodeJS.Signals): void
  /** Closes the pipe, so that no process reads its log. */
  stopReading(): void
}

/** The command line takes no limits, so tests that need shorter ones start the same parts with this program. */
const serverProgram = (limits: LimitOverrides) => `
  import { loadConfig } from ${JSON.stringify(bundleUrl('settings.js'))}
  import { handleStrayErrors } from ${JSON.stringify(bundleUrl('fault-boundary.js'))}
  import { createLog } from ${JSON.stringify(bundleUrl('log.js'))}
  import { startMartlet } from ${JSON.stringify(bundleUrl('start.js'))}
  import { createMetrics } from ${JSON.stringify(bundleUrl('metrics.js'))}
  const config = loadConfig(process.env, ${JSON.stringify(limits)})
  const log = createLog(config.logLevel)
  const metrics = createMetrics()
  handleStrayErrors({ log, metrics, exit: (code) => process.exit(code) })
  const { url, smtpPort, stop } = await startMartlet({ config, log, metrics })
  process.once('SIGTERM', () => stop().then(() => process.exit(0)))
  log.info({ url, smtpPort }, 'ready')`

/** Most of these servers run for two seconds, in which V8's optimizing compiler takes an eighth of their CPU time. */
const SHORT_LIFE = amount({ short: ['--no-opt'], long: [] })
/** For a server that has much to do. */
export const OPTIMIZED = '--opt'

/**
 * Resolves when the server reports that it is ready; rejects with its last output if it exits first.
 *
 * @param nodeOptions  such as --max-old-space-size, or OPTIMIZED
 */
export async function startServer(
  env: Readonly<Record<string, string>>,
  limits?: LimitOverrides,
  nodeOptions: readonly string[] = [],
): Promise<ServerProcess> {
  const program = limits === undefined ? [cli, 'serve'] : ['--input-type=module', '--eval', serverProgram(limits)]
  const args = [...SHORT_LIFE, ...nodeOptions, ...program]
  const child: ChildProcess = spawn(process.execPath, args, {
    // Pass only the given variables: the environment of the test run must not reach the server.
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: Record<string, unknown>[] = []
  const errors: string[] = []
  child.stderr!.on('data', (text) => errors.push(String(text)))
  let exitCode: number | null | undefined
  const exited = once(child, 'exit').then(([code]) => {
    exitCode = code as number | null
    return exitCode
  })

  const ready = new Promise<Record<string, unknown>>((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const parsed = JSON.parse(line) as Record<string, unknown>
      lines.push(parsed)
      if (parsed.msg === 'ready') resolve(parsed)
    })
  })
  const first = await Promise.race([ready, exited])
  if (first === null || typeof first === 'number') {
    throw new Error(`the server exited with ${first}: ${errors.join('')} ${JSON.stringify(lines.at(-1))}`)
  }
  return {
    url: first.url as string,
    smtpPort: first.smtpPort as number,
    pid: child.pid!,
    lines,
    errors,
    exited,
    exitCode: () => exitCode,
    signal: (name) => void child.kill(name),
    stopReading: () => void child.stdout!.destroy(),
  }
}
