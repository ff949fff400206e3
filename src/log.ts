/**
 * The structured log: one JSON object a line on standard output.
 *
 * Two things never get in: API keys (headers and query strings are reduced to their path by the HTTP edge, and what
 * slips through is redacted here) and mail content. Addresses do: without them nobody can answer "where is my mail?".
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config.ts'

export type Log = Logger

/** Fields that hold a credential wherever they appear; a log is read by more people than a key is given to. */
const REDACTED = ['apiKey', 'api_key', 'authorization', 'key', 'secret', 'password']

/**
 * @param level       least severe line that is written
 * @param destination where lines go; standard output when left out, and nowhere once nobody reads it any more
 */
export function createLog(level: Config['logLevel'], destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...REDACTED, ...REDACTED.map((field) => `*.${field}`)], censor: '[redacted]' },
  }
  return pino(options, destination ?? standardOutput)
}

/**
 * Not pino's own stream: that one waits for ever at exit when the reader of a pipe is gone, and a log collector that
 * crashed must not keep a mail server from stopping.
 */
const standardOutput: DestinationStream = {
  write(line) {
    if (!isOutputWatched) watchOutput()
    if (isOutputRead) process.stdout.write(line)
  },
}

let isOutputWatched = false
let isOutputRead = true

function watchOutput(): void {
  isOutputWatched = true
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    isOutputRead = false
  })
}
