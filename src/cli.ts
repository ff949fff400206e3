#!/usr/bin/env node
/**
 * The command line for operators. Each command is one function below; `serve` runs the server.
 *
 * A command loads only the modules that it needs, when it runs.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { isCommand, usage } from './cli/usage.ts'
import { domainWarning } from './config/setting-readers.ts'
import { type Config, loadConfig } from './config/settings.ts'
import { StartupError } from './errors.ts'
import { packageRoot } from './package-root.ts'

/** A second signal within this time counts as an echo of the first. */
const NPM_ECHO_MS = 500

/** With so few cores, V8's threads that collect garbage together wait for each other, which also takes CPU time. */
const SERIAL_GC_CORES_MAX = 2

async function main(args: readonly string[]): Promise<number> {
  const [command = 'serve', ...rest] = args
  if (['--version', '-v', 'version'].includes(command)) return print(`${version()}\n`)
  if (['--help', '-h', 'help'].includes(command)) return print(usage(rest[0]))
  if (isCommand(command) && rest.some((each) => each === '--help' || each === '-h')) return print(usage(command))
  if (command !== 'serve') ignoreGoneReader()
  const code = await run(command, rest)
  if (code !== undefined) return code
  const problem = isCommand(command) ? unusable([command, ...rest]) : `unknown command "${command}"`
  process.stderr.write(`martlet: ${problem}\n\n`)
  process.stderr.write(usage(command))
  return 2
}

function unusable(words: readonly string[]): string {
  return `"${words.slice(0, 2).join(' ')}" is no command, or has too few or too many arguments`
}

/** @returns the exit code; undefined: print the usage */
async function run(command: string, rest: readonly string[]): Promise<number | undefined> {
  if (command === 'serve') {
    const { values } = parseArgs({ args: [...rest], options: { paused: { type: 'boolean', default: false } } })
    return serve(loadConfig(process.env), values.paused)
  }
  if (command === 'backup' && rest.length === 1) {
    const { runBackup } = await import('./cli/backup-command.ts')
    return runBackup(loadConfig(process.env), rest[0]!, { output: process.stdout, version: version() })
  }
  if (command === 'restore' && rest.length === 1) {
    return (await import('./cli/restore-command.ts')).runRestore(loadConfig(process.env), rest[0]!, process.stdout)
  }
  if (command === 'resume') return resume(loadConfig(process.env), rest)
  if (command === 'unsuppress') return unsuppress(loadConfig(process.env), rest)
  if (command === 'search' && rest[0] === 'rebuild') return rebuildIndex(loadConfig(process.env), rest.slice(1))
  if (command === 'migrate' && rest.length === 0) return migrate(loadConfig(process.env))
  if (command === 'check' && rest.length === 0)
    return (await import('./cli/check-command.ts')).runCheck(loadConfig(process.env), process.stdout)
  if (command === 'key' && rest[0] === 'create') return createKey(loadConfig(process.env), rest.slice(1))
  if (command === 'app-password') return appPasswordCommand(loadConfig(process.env), rest)
  if (command === 'domain') return domainCommand(loadConfig(process.env), rest)
  if (command !== 'queue') return undefined
  const config = loadConfig(process.env)
  const { openServerClient } = await import('./cli/server-client.ts')
  const { runQueue } = await import('./cli/queue-command.ts')
  const code = await runQueue(rest, (url) => openServerClient(config, url), process.stdout)
  return code === 2 ? undefined : code
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

/** The command continues when no one reads its output any more (`martlet check | head -1`). For a server, see log.ts. */
function ignoreGoneReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as { version: string }).version
}

/** Runs until SIGTERM or SIGINT, then shuts down cleanly; a second signal, or one during the start, ends the process at once. */
async function serve(config: Config, startPaused: boolean): Promise<number> {
  if (availableParallelism() <= SERIAL_GC_CORES_MAX) setFlagsFromString('--no-parallel-scavenge')
  const { startMartlet } = await import('./server/start.ts')
  const { createMetrics } = await import('./metrics.ts')
  const { createLog, standardOutput } = await import('./log.ts')
  const isForPerson = process.stdout.isTTY === true
  const log = isForPerson
    ? createLog(config.logLevel, (await import('./cli/readable-log.ts')).readableLines(standardOutput))
    : createLog(config.logLevel)
  // The banner contains what the log lines of a start say.
  if (isForPerson && config.logLevel === 'info') log.level = 'warn'
  const metrics = createMetrics({ collectProcess: true })
  ;(await import('./fault-boundary.ts')).handleStrayErrors({ log, metrics, exit: (code) => process.exit(code) })
  // Before the start: as the first process of a container, this one would ignore a signal that it has no handler for.
  const stopSignal = awaitStopSignal()
  const stoppedEarly = stopSignal.then(() => undefined)
  const martlet = await Promise.race([startMartlet({ config, log, metrics, startPaused }), stoppedEarly])
  if (!martlet) {
    log.info({ signal: await stopSignal }, 'stopped during the start') // which a crash would not harm either
    return 0
  }
  if (isForPerson) (await import('./cli/banner.ts')).printBanner(process.stdout, config, martlet)
  else {
    const warning = domainWarning(config)
    if (warning !== undefined) log.warn(warning)
    const { url, smtpPort, submissionPort, submissionsPort, imapPort, imapsPort } = martlet
    log.info({ url, smtpPort, submissionPort, submissionsPort, imapPort, imapsPort }, 'ready')
  }
  log.level = config.logLevel

  log.info({ signal: await stopSignal }, 'stopping')
  await martlet.stop()
  log.info('stopped')
  return 0
}

/**
 * Resolves with the first SIGTERM or SIGINT. The handlers are never removed: a signal that arrives between two handlers
 * would kill the process. Under `npm start`, Ctrl-C arrives twice: from the terminal, and forwarded by npm.
 */
function awaitStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let receivedAt: number | undefined
    const onSignal = (signal: NodeJS.Signals) => {
      if (receivedAt !== undefined && performance.now() - receivedAt > NPM_ECHO_MS) process.exit(1)
      receivedAt ??= performance.now()
      resolve(signal)
    }
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  })
}

async function migrate(config: Config): Promise<number> {
  const { migrateDatabase } = await import('./store/store.ts')
  const { createMetrics } = await import('./metrics.ts')
  const { createLog } = await import('./log.ts')
  const { databaseFiles, lockFile } = await import('./store/sqlite/data-dir-lock.ts')
  const giveToOwner = await (await import('./cli/ownership.ts')).ownerOf(config.dataDir)
  const numbers = await migrateDatabase({ config, log: createLog('warn'), metrics: createMetrics(), clock: Date.now })
  await giveToOwner([lockFile(config.dataDir), ...databaseFiles(config.dataDir)])
  process.stdout.write(
    numbers.length === 0 ? 'The database is up to date.\n' : `Migrations run: ${numbers.join(', ')}\n`,
  )
  return 0
}

async function domainCommand(config: Config, args: readonly string[]): Promise<number | undefined> {
  const { openServerClient } = await import('./cli/server-client.ts')
  const { runDomain } = await import('./cli/domain-command.ts')
  const code = await runDomain(args, (url) => openServerClient(config, url), process.stdout)
  return code === 2 ? undefined : code
}

async function appPasswordCommand(config: Config, args: readonly string[]): Promise<number | undefined> {
  const { openServerClient } = await import('./cli/server-client.ts')
  const { runAppPassword } = await import('./cli/app-password-command.ts')
  const code = await runAppPassword(args, (url) => openServerClient(config, url), process.stdout)
  return code === 2 ? undefined : code
}

async function createKey(config: Config, args: readonly string[]): Promise<number> {
  const options = { name: { type: 'string' }, url: { type: 'string' } } as const
  const { values } = parseArgs({ args: [...args], options })
  const { openServerClient } = await import('./cli/server-client.ts')
  const client = await openServerClient(config, values.url)
  const name = values.name ?? `cli ${randomBytes(3).toString('hex')}`
  const { api_key } = (await client.request('POST', '/v0/api-keys', { name })) as { api_key: string }
  process.stdout.write(`${api_key}\n`)
  return 0
}

async function resume(config: Config, args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { url: { type: 'string' } } })
  const { openServerClient } = await import('./cli/server-client.ts')
  const client = await openServerClient(config, values.url)
  const { was_paused } = (await client.request('POST', '/v0/outbound/resume')) as { was_paused: boolean }
  return print(was_paused ? 'Outbound mail and webhooks run again.\n' : 'Nothing was paused.\n')
}

async function unsuppress(config: Config, args: readonly string[]): Promise<number | undefined> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { url: { type: 'string' }, organization: { type: 'string' } },
    allowPositionals: true,
  })
  if (positionals.length !== 1) return undefined
  const [address] = positionals
  const { organization } = values
  const { openServerClient } = await import('./cli/server-client.ts')
  const client = await openServerClient(config, values.url)
  const request = { address, ...(organization !== undefined && { organization_id: organization }) }
  const { removed } = (await client.request('POST', '/v0/suppressions/remove', request)) as { removed: boolean }
  print(removed ? `Mail can be sent to ${address} again.\n` : `${address} is not suppressed.\n`)
  return removed ? 0 : 1
}

async function rebuildIndex(config: Config, args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { url: { type: 'string' } } })
  const { openServerClient } = await import('./cli/server-client.ts')
  const client = await openServerClient(config, values.url)
  const { blocks } = (await client.request('POST', '/v0/search/rebuild')) as { blocks: number }
  return print(`The server makes ${blocks} blocks of the text index again. Searches work meanwhile, but take longer.\n`)
}

/** A server that cannot start writes the reason to its log, which must stay one JSON object per line. */
async function report(error: Error, command = 'serve'): Promise<void> {
  const isUsage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
  const isExpected = error instanceof StartupError || isUsage
  // Node explains how a positional argument may begin with "-", which none of ours does.
  const message = isUsage ? `${error.message.split('. To specify')[0]}; see martlet ${command} --help` : error.message
  const isForLog = command === 'serve' && process.stdout.isTTY !== true
  if (isForLog) (await import('./log.ts')).createLog('fatal').fatal(isExpected ? {} : { err: error }, message)
  if (isForLog && process.stderr.isTTY !== true) return
  process.stderr.write(isExpected ? `martlet: ${message}\n` : `${error.stack}\n`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  await report(error as Error, process.argv[2])
  process.exitCode = 1
}
// Open handles (such as a keep-alive socket of fetch) must not prevent a finished command from exiting.
process.exit()
