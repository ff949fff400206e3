/**
 * The structured log: one JSON object per line on standard output.
 *
 * It never contains API keys or mail content. (The HTTP edge logs only paths, without headers and query strings; keys
 * that slip through are redacted here.) It does contain addresses: "where is my mail?" needs them.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config/settings.ts'

export type Log = Logger

/** Fields that contain a credential wherever they occur. More people can read the log than may have a key. */
const REDACTED = ['apiKey', 'api_key', 'authorization', 'key', 'secret', 'password']

/**
 * @param level       the lowest level that is written
 * @param destination receives the lines; the default is standard output, until its reader closes the pipe
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
 * Not pino's own stream: at exit, it waits forever if the reader of the pipe is gone, and a crashed log collector must
 * not prevent a mail server from stopping.
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
