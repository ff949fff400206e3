/**
 * The structured log: one JSON object per line on standard output; on a terminal, cli/readable-log.ts formats the lines.
 *
 * It never contains API keys or mail content. (The HTTP edge logs only paths, without headers and query strings; keys
 * that slip through are redacted here.) It does contain addresses: "where is my mail?" needs them.
 */
import { AsyncResource } from 'node:async_hooks'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from './config/settings.ts'

export type Log = Logger

/** Fields that contain a credential wherever they occur. More people can read the log than may have a key. */
const REDACTED = ['apiKey', 'api_key', 'authorization', 'key', 'secret', 'password'] as const
const CENSOR = '[redacted]'

/**
 * @param level       the lowest level that is written
 * @param destination receives the lines; the default is standard output, until its reader closes the pipe
 */
export function createLog(level: Config['logLevel'], destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: redactObjects },
    serializers: { err: (error: Error) => redactFields(pino.stdSerializers.err(error)) },
    redact: { paths: [...REDACTED], censor: CENSOR },
  }
  return pino(options, destination ?? standardOutput)
}

/**
 * Replaces credentials in the objects of a line. The paths `*.key` of pino would do the same, and more: they also apply to objects in the
 * bindings of a child logger or in `%o`, which no line here has. But pino parses all of them again for each object and list of each line,
 * which took half of the time of a line.
 */
function redactObjects(line: Record<string, unknown>): Record<string, unknown> {
  let redacted: Record<string, unknown> | undefined
  for (const name of Object.keys(line)) {
    const value = line[name]
    const shown = name === 'err' ? value : redactFields(value) // its serializer makes an object of an error first
    if (shown === value) continue
    redacted ??= { ...line }
    redacted[name] = shown
  }
  return redacted ?? line
}

/** @returns the value itself, unless it is an object that contains a credential */
function redactFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const found = REDACTED.filter((field) => Object.hasOwn(value, field))
  return found.length === 0 ? value : { ...value, ...Object.fromEntries(found.map((field) => [field, CENSOR])) }
}

/** Addresses of one message in a log line, and characters of a text from outside: a message may have 1,000 recipients. */
const ADDRESSES_MAX = 10
const TEXT_CHARS_MAX = 300

/** Returns the first addresses as a field of that name, and the number of the others. */
export function loggedAddresses(name: string, addresses: readonly string[]): Readonly<Record<string, unknown>> {
  const others = addresses.length - ADDRESSES_MAX
  return { [name]: addresses.slice(0, ADDRESSES_MAX), ...(others > 0 && { [`${name}Omitted`]: others }) }
}

/** Returns a text from outside, such as the reply of another server, cut to the length of a log field. */
export function loggedText(text: string): string {
  return text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text
}

/**
 * Not pino's own stream: at exit, it waits forever if the reader of the pipe is gone, and a crashed log collector must
 * not prevent a mail server from stopping.
 *
 * The lines of one turn of the event loop are written together, because a system call per line costs a request a tenth
 * of its time. They are also written when the process exits; only a crash of Node itself or SIGKILL loses them.
 */
export const standardOutput: DestinationStream = {
  write(line) {
    if (!isOutputWatched) watchOutput()
    if (waitingLines === '') writeSoon()
    waitingLines += line
  },
}

let isOutputWatched = false
let isOutputRead = true
let waitingLines = ''

/** Bound to the context of the module: an error of the output must not end the request that has written a line. */
const writeSoon = AsyncResource.bind(() => setImmediate(writeLines))

function writeLines(): void {
  const lines = waitingLines
  waitingLines = ''
  if (isOutputRead && lines !== '') process.stdout.write(lines)
}

function watchOutput(): void {
  isOutputWatched = true
  process.once('exit', writeLines)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    isOutputRead = false
  })
}
