/** Tests the command line as an operator uses it: the output of `npm run build`, run as separate processes. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { runCheck } from '../src/cli/check-command.ts'
import { loadConfig } from '../src/config/settings.ts'
import { freePort, MAIL_PROGRAMS_OFF } from './support/free-port.ts'
import { cli } from './support/program.ts'
import { ROOT_KEY } from './support/root-key.ts'
import { type ServerProcess, startServer } from './support/server-process.ts'
import { copySqlite } from './support/sqlite-templates.ts'
import { openTerminal } from './support/terminal.ts'

const packageJson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const KEY = 'am_test_key_of_the_command_line'
const DOUBT = 'MARTLET_DOMAIN=lan has no dot, so servers elsewhere cannot send mail to it; mail.example.com has one'
/** A user id that exists everywhere, and is not ours. */
const NOBODY = 65_534

/** Settings with which a start succeeds on any machine. It is the first one: the data folder does not exist. */
async function settings(): Promise<Record<string, string>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  return {
    MARTLET_DATA_DIR: join(dataDir, 'data'),
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
  }
}

/** Settings of a server that has run before: its start makes no tables, keys and certificate. */
async function settingsOfOld(): Promise<Record<string, string>> {
  const env = await settings()
  await mkdir(env.MARTLET_DATA_DIR!, { mode: 0o700 })
  await copySqlite('started', env.MARTLET_DATA_DIR!)
  return { ...env, MARTLET_ROOT_KEY: ROOT_KEY }
}

/** Belongs to all tests that only call a running server. */
let running: Promise<{ env: Record<string, string>; server: ServerProcess }> | undefined

function runningServer() {
  running ??= startRunning()
  return running
}

async function startRunning() {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  await copySqlite('started', dataDir)
  const ports = { MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF }
  const env = { MARTLET_DATA_DIR: dataDir, MARTLET_ROOT_KEY: ROOT_KEY, ...ports }
  return { env, server: await startServer(env) }
}

afterAll(async () => {
  if (!running) return
  const { env, server } = await running
  server.signal('SIGKILL')
  await server.exited
  await rm(env.MARTLET_DATA_DIR!, { recursive: true, force: true })
})

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command until it exits. */
function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [cli, ...args],
      { env: { PATH: process.env.PATH, ...env }, timeout: 20_000 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    )
  })
}

/** Returns the reason of a start that failed: all output is JSON lines, and the last one is fatal. */
function reasonOf({ code, stdout, stderr }: Run): string {
  const lines = stdout.trim().split('\n')
  const last = lines.map((line) => JSON.parse(line)).at(-1)
  expect({ code, stderr, level: last.level }).toEqual({ code: 1, stderr: '', level: 'fatal' })
  return last.msg
}

async function start(env: Readonly<Record<string, string>>) {
  const server = await startServer(env)
  onTestFinished(() => server.signal('SIGKILL'))
  return server
}

/** Returns a port that another mail server uses. */
async function usedPort(): Promise<number> {
  const server = createServer((socket) => socket.end('220 other.example ESMTP\r\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('the first start in a terminal prints the new root key once, and writes it to a file for its owner only', async () => {
  const env = await settings()
  const keyFile = join(env.MARTLET_DATA_DIR!, 'root-key')
  const inTerminal = () => {
    const terminal = openTerminal(`'${process.execPath}' '${cli}' serve`, { cwd: tmpdir(), env: { ...env } })
    onTestFinished(terminal.kill)
    return terminal
  }

  const first = inTerminal()
  const key = (await first.until(/API key +(am_us_[0-9a-f]+) /))[1]!
  await first.until(/Press Ctrl-C to stop\.\n/)
  expect((await readFile(keyFile, 'utf8')).trim()).toBe(key)
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
  expect(first.screen()).not.toContain('{"level"')
  const line = /curl -X POST (\S+) -H "Authorization: Bearer \$\(cat '([^']+)'\)"/.exec(first.screen())!
  expect(line[2]).toBe(keyFile)
  const created = await fetch(line[1]!, { method: 'POST', headers: { authorization: `Bearer ${key}` } })
  expect(created.status).toBe(200)
  first.press('\x03')
  expect(await first.exited).toBe(0)

  const second = inTerminal()
  await second.until(/Press Ctrl-C to stop\.\n/)
  expect(second.screen()).not.toContain(key)
  expect(second.screen()).toContain(keyFile)
  second.press('\x03')
  expect(await second.exited).toBe(0)
})

// A data folder that existed already and was open to all users was used without a warning.
test('files that other users can access are reported, with the commands that correct their modes', async () => {
  const env = await settings()
  const dataDir = env.MARTLET_DATA_DIR!
  await mkdir(join(dataDir, 'blobs'), { recursive: true })
  for (const file of ['martlet.db', 'root-key', 'root-key.new']) await writeFile(join(dataDir, file), '')
  const modes = { '.': 0o777, blobs: 0o705, 'martlet.db': 0o640, 'root-key': 0o604, 'root-key.new': 0o666 }
  for (const [name, mode] of Object.entries(modes)) await chmod(join(dataDir, name), mode)
  const fixes = [
    `chmod 700 '${dataDir}'`,
    `chmod 700 '${dataDir}/blobs'`,
    `chmod 600 '${dataDir}/martlet.db'`,
    `chmod 600 '${dataDir}/root-key'`,
  ]
  const check = await run(['check'], env)
  expect(check.stdout.match(/^warn {2}permissions: .*$/gm)).toEqual(
    fixes.map((fix) => expect.stringMatching(new RegExp(`can access /\\S+ \\(mode \\d{3}\\); run ${fix}$`))),
  )
  expect(check.code).toBe(0)

  const server = await start(env)
  const warned = server.lines.filter(({ level }) => level === 'warn')
  expect(warned[0]).toMatchObject({ path: dataDir, mode: '777', fix: fixes[0] })
  expect(warned.map(({ fix }) => fix)).toEqual(expect.arrayContaining(fixes.slice(0, 3)))
  // The server wrote its new key to a file of its own, not into the file that another user had created.
  expect((await stat(join(dataDir, 'root-key'))).mode & 0o777).toBe(0o600)
  server.signal('SIGTERM')
  await server.exited

  await chmod(join(dataDir, 'root-key'), 0o604)
  const terminal = openTerminal(`'${process.execPath}' '${cli}' serve`, { cwd: tmpdir(), env: { ...env } })
  onTestFinished(terminal.kill)
  await terminal.until(/Warning: other users of this machine can read or change the data\. To prevent this, run:\n/)
  const [banner] = await terminal.until(/[\s\S]*Press Ctrl-C to stop\.\n/)
  const shown = [...banner.matchAll(/^ {2}(chmod .*?) +# its mode is \d{3}$/gm)].map((match) => match[1]!)
  expect(shown).toEqual(expect.arrayContaining(fixes)) // and those of SQLite's other files
  for (const fix of shown) execFileSync('sh', ['-c', fix])
  terminal.press('\x03')
  await terminal.exited

  expect((await run(['check'], env)).stdout).not.toContain('permissions')
})

test('without a terminal the server prints JSON lines and no key, and SIGTERM ends it with exit code 0', async () => {
  const env = await settings()
  const server = await start({ ...env, MARTLET_DOMAIN: 'lan', MARTLET_OUTBOUND: 'capture' })
  expect(server.lines.at(-2)).toMatchObject({ level: 'warn', msg: DOUBT })
  const key = (await readFile(join(env.MARTLET_DATA_DIR!, 'root-key'), 'utf8')).trim()
  const answer = await fetch(`${server.url}/v0/auth/me`, { headers: { authorization: `Bearer ${key}` } })
  expect(answer.status).toBe(200)

  server.signal('SIGTERM')

  expect(await server.exited).toBe(0)
  expect(server.lines.at(-1)).toMatchObject({ level: 'info', msg: 'stopped' })
  expect(JSON.stringify(server.lines)).not.toContain(key)
})

test('a signal sent twice in a row, as under npm start, still causes a clean stop', async () => {
  const server = await start(await settingsOfOld())
  server.signal('SIGINT')
  server.signal('SIGINT')
  expect(await server.exited).toBe(0)
  expect(server.lines.at(-1)).toMatchObject({ msg: 'stopped' })
})

// There was no handler yet: as the first process of a container, the server ignored the signal, started, and was killed later.
test('SIGTERM during the start ends it with exit code 0', async () => {
  const database = createServer().listen(0, '127.0.0.1') // accepts connections, and never answers
  await once(database, 'listening')
  onTestFinished(() => void database.close())
  const { port } = database.address() as AddressInfo
  const env = {
    ...(await settings()),
    MARTLET_DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/c`,
    MARTLET_ROOT_KEY: KEY,
  }
  const server = spawn(process.execPath, [cli, 'serve'], { env: { PATH: process.env.PATH, ...env } })
  onTestFinished(() => void server.kill('SIGKILL'))
  const printed = text(server.stdout)
  const exited = once(server, 'exit')
  const [connection] = await once(database, 'connection')
  connection.on('error', () => undefined)
  server.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(JSON.parse(await printed)).toMatchObject({ level: 'info', signal: 'SIGTERM', msg: 'stopped during the start' })
})

test('a second process on the same data folder refuses to start and says why', async () => {
  const { env } = await runningServer()
  expect(reasonOf(await run(['serve'], env))).toBe(
    `The data folder ${env.MARTLET_DATA_DIR} is in use by another Martlet process; stop that one, or set MARTLET_DATA_DIR`,
  )
})

test('an unknown setting prevents the start, with one sentence', async () => {
  const sentence =
    'MARTLET_HTTP_PROT is not a setting of this version; did you mean MARTLET_HTTP_PORT? (docs/configuration.md lists all)'
  const served = await run(['serve'], { ...(await settings()), MARTLET_HTTP_PROT: '80' })
  expect(reasonOf(served)).toBe(sentence)
  expect(served.stdout.match(/\n/g)).toHaveLength(1)
})

test('all mistakes in the settings are reported at once', async () => {
  const wrong = {
    MARTLET_DOMIAN: 'example.com',
    MARTLET_COLOUR: 'red',
    MARTLET_RELAY_URL: 'x',
    MARTLET_OUTBOUND: 'relay',
  }
  const failed = await run(['serve'], { ...wrong, MARTLET_HTTP_PORT: '99999', MARTLET_TLS_CERT: '/cert.pem' })
  expect(reasonOf(failed).split('\n')).toEqual([
    'Correct these settings:',
    expect.stringMatching(/^ {2}MARTLET_DOMIAN is not a setting .* did you mean MARTLET_DOMAIN\?/),
    expect.stringMatching(/^ {2}MARTLET_COLOUR is not a setting .*; remove it/),
    expect.stringMatching(/^ {2}MARTLET_RELAY_URL: the URL is malformed/),
    expect.stringMatching(/^ {2}MARTLET_HTTP_PORT=99999: write a port/),
    expect.stringMatching(/^ {2}Set both MARTLET_TLS_CERT and MARTLET_TLS_KEY/),
  ])
})

// Node's recursive mkdir never ends there.
test('a data folder that cannot be created prevents the start, with one sentence', async () => {
  const env = { ...(await settings()), MARTLET_DATA_DIR: '/proc/foo/data' }
  expect(reasonOf(await run(['serve'], env))).toBe(
    'The data folder /proc/foo/data cannot be created (ENOENT): no folder can be created there; set MARTLET_DATA_DIR to another folder',
  )
})

// The database was migrated before the port was found in use, and the log had a stack trace and a line of plain text.
test('the error names every port in use; the process exits, and has migrated nothing', async () => {
  const env = await settings()
  const port = await usedPort()
  for (const variable of ['MARTLET_HTTP_PORT', 'MARTLET_SMTP_PORT']) {
    const failed = await run(['serve'], { ...env, [variable]: String(port) })
    expect(reasonOf(failed)).toBe(`127.0.0.1:${port} is in use; stop the process that uses it, or set ${variable}`)
    expect(failed.stdout.match(/\n/g)).toHaveLength(1)
  }
  // Each start named one port only.
  const both = { MARTLET_HTTP_PORT: String(port), MARTLET_SMTP_PORT: String(await usedPort()) }
  expect(reasonOf(await run(['serve'], { ...env, ...both })).split('\n')).toEqual(
    Object.entries(both).map(
      ([variable, port]) => `127.0.0.1:${port} is in use; stop the process that uses it, or set ${variable}`,
    ),
  )
  const check = await run(['check'], env)
  expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('is empty; the first start creates') })
})

// Run as root, it created files that the user of the service could not read.
test('migrate creates the database for the owner of the folder, and reports when there is nothing to do', async () => {
  const env = await settings()
  const dataDir = env.MARTLET_DATA_DIR!
  await mkdir(dataDir, { mode: 0o700 })
  const { uid } = await stat(dataDir)
  const owner = uid === 0 ? NOBODY : uid // only root can give a folder to another user
  await chown(dataDir, owner, -1)
  expect(await run(['migrate'], env)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Migrations run: 1\b/) })
  expect(await run(['migrate'], env)).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' })
  const files = await readdir(dataDir)
  expect(files).toContain('martlet.db')
  for (const file of files) expect((await stat(join(dataDir, file))).uid, file).toBe(owner)
})

// As root, it created a data folder that the user of the service could not use.
test('check before the first start lists every check, creates nothing, and exits with 0', async () => {
  const env = await settings()
  // As with `martlet check | head -1`: it ended with a stack trace.
  const unread = spawn(process.execPath, [cli, 'check'], { env: { PATH: process.env.PATH, ...env } })
  unread.stdout.destroy()
  const [[exitCode], errors] = await Promise.all([once(unread, 'exit'), text(unread.stderr)])
  expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' })
  const { code, stdout } = await run(['check'], env)
  expect(existsSync(env.MARTLET_DATA_DIR!)).toBe(false)
  expect(stdout).toContain('ok    server: not running\n')
  expect(stdout).toContain('is empty; the first start creates the tables\n')
  expect(stdout.split('\n').map((line) => line.split(':')[0])).toEqual([
    'ok    configuration',
    'ok    server',
    'ok    HTTP port',
    'ok    SMTP port',
    'ok    submission port',
    'ok    submissions port',
    'ok    IMAP port',
    'ok    IMAPS port',
    'ok    TLS files',
    'ok    database',
    'ok    DKIM',
    'ok    disk',
    'ok    relay',
    'ok    DNS',
    '',
  ])
  expect(code).toBe(0)
})

// It reported the ports and the folder of the server as failures, and could not show the DKIM record.
test('check beside the running server says that it runs; it shows the DKIM record then, and after a stop', async () => {
  const env = await settingsOfOld()
  const [httpPort, smtpPort] = [String(await freePort()), String(await freePort())]
  const ports = { ...env, MARTLET_HTTP_PORT: httpPort, MARTLET_SMTP_PORT: smtpPort, ...MAIL_PROGRAMS_OFF }
  const server = await start(ports)
  const dataDir = env.MARTLET_DATA_DIR!
  const files = await readdir(dataDir)

  const beside = await run(['check'], ports)
  expect(beside.stdout).toContain(`ok    server: running; it uses ${dataDir}\n`)
  expect(beside.stdout).toContain(`ok    HTTP port: 127.0.0.1:${httpPort} is used by the running server\n`)
  expect(beside.stdout).toContain(`ok    SMTP port: 127.0.0.1:${smtpPort} is used by the running server\n`)
  const [record] = /^ok {4}DKIM: martlet\._domainkey\.mail\.localhost TXT "v=DKIM1; k=rsa; p=[\w+/=]+"$/m.exec(
    beside.stdout,
  )!
  expect(beside.code).toBe(0)
  expect(await readdir(dataDir)).toEqual(files)

  server.signal('SIGTERM')
  await server.exited
  const stopped = await readdir(dataDir)
  const after = await run(['check'], ports)
  expect(after.stdout).toContain('ok    server: not running\n')
  expect(after.stdout).toContain(record)
  expect(after.code).toBe(0)
  expect(await readdir(dataDir)).toEqual(stopped)
})

test('check reports a foreign port in use and missing files, continues, and exits with 1', async () => {
  const { env } = await runningServer()
  const port = String(await usedPort())
  const files = { MARTLET_TLS_CERT: '/nowhere/cert.pem', MARTLET_TLS_KEY: '/nowhere/key.pem' }
  const { code, stdout } = await run(['check'], { ...env, MARTLET_SMTP_PORT: port, ...files })
  expect(code).toBe(1)
  expect(stdout).toContain('ok    HTTP port')
  expect(stdout).toContain(
    `FAIL  SMTP port: 127.0.0.1:${port} is in use; stop the process that uses it, or set MARTLET_SMTP_PORT\n`,
  )
  expect(stdout).toMatch(/^FAIL {2}TLS files: .*\/nowhere\/cert\.pem/m)
  expect(stdout).toContain('ok    database')
  expect(stdout).toContain('ok    disk')
})

// They were reported as readable or free, and then the start failed; the domain was accepted in silence.
test('check reports TLS files that do not fit, a folder of large messages that cannot be used, and a doubtful domain', async () => {
  const env = await settings()
  const wrong = {
    MARTLET_TLS_CERT: cli,
    MARTLET_TLS_KEY: cli,
    MARTLET_BLOBS_URL: 'file:///proc/blobs',
    MARTLET_DOMAIN: 'lan',
  }
  let shown = ''
  expect(await runCheck(loadConfig({ ...env, ...wrong }), { write: (line) => (shown += line) })).toBe(1)
  expect(shown).toMatch(/^FAIL {2}TLS files: MARTLET_TLS_CERT and MARTLET_TLS_KEY cannot be used: /m)
  expect(shown).toMatch(/^FAIL {2}disk: \/proc\/blobs: 0 bytes free;/m)
  expect(shown).toContain(`warn  domain: ${DOUBT}`)
})

test('key create prints a working key; it authenticates with the key file or MARTLET_ROOT_KEY', async () => {
  const env = await settings()
  const server = await start(env)
  const made = await run(['key', 'create', '--name', 'ci', '--url', server.url], env)
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(made.stdout).toMatch(/^am_us_[0-9a-f]+\n$/)
  const headers = { authorization: `Bearer ${made.stdout.trim()}` }
  const list = (await (await fetch(`${server.url}/v0/api-keys`, { headers })).json()) as {
    api_keys: { name: string }[]
  }
  expect(list.api_keys.map(({ name }) => name)).toContain('ci')

  const stranger = { ...(await settings()), MARTLET_ROOT_KEY: KEY }
  const refused = await run(['key', 'create', '--url', server.url], stranger)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('The API key is unknown')
})

test('key create says what is missing: a key, a server, or a valid option', async () => {
  const env = await settings()
  const port = { ...env, MARTLET_HTTP_PORT: '1' }
  expect((await run(['key', 'create'], port)).stderr).toMatch(
    /There is no data of a server in \S+: set MARTLET_DATA_DIR .*or MARTLET_ROOT_KEY .*start it once/,
  )
  const keyed = { ...port, MARTLET_ROOT_KEY: KEY }
  expect((await run(['key', 'create'], keyed)).stderr).toBe(
    'martlet: No server responds at http://127.0.0.1:1; start it, or use --url\n',
  )
  expect(await run(['key', 'create', '--colour', 'red'], keyed)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Unknown option '--colour'"),
  })
})

test('serve --paused says so in the banner and in check, and resume ends the pause', async () => {
  const env = await settingsOfOld()
  const port = String(await freePort())
  const domain = { MARTLET_DOMAIN: 'lan', MARTLET_OUTBOUND: 'capture' }
  // The commands went to the public URL, through a proxy that may not exist.
  const fixed = { ...env, ...domain, MARTLET_HTTP_PORT: port, MARTLET_PUBLIC_URL: 'https://127.0.0.1:1' }
  const terminal = openTerminal(`'${process.execPath}' '${cli}' serve --paused`, { cwd: tmpdir(), env: { ...fixed } })
  onTestFinished(terminal.kill)
  await terminal.until(/Paused +outbound mail and webhooks, until you run: martlet resume\n/)
  await terminal.until(/Press Ctrl-C to stop\.\n/)
  expect(terminal.screen()).toContain(`Warning: ${DOUBT}.\n`)
  expect((await run(['check'], fixed)).stdout).toMatch(
    /^warn {2}paused: .* since 20\S+Z; end this with martlet resume$/m,
  )
  expect((await run(['queue', 'list'], fixed)).stdout).toMatch(
    /^The queue is empty\.\nOutbound mail and webhooks are paused since 20\S+Z; end this with martlet resume\n$/,
  )
  expect(await run(['resume'], fixed)).toEqual({
    code: 0,
    stdout: 'Outbound mail and webhooks run again.\n',
    stderr: '',
  })
  expect((await run(['resume'], fixed)).stdout).toBe('Nothing was paused.\n')
  expect((await run(['check'], fixed)).stdout).not.toContain('paused')
  terminal.press('\x03')
  await terminal.exited
})

test('queue calls the running server', async () => {
  const { env, server } = await runningServer()
  expect(await run(['queue', 'list', '--url', server.url], env)).toEqual({
    code: 0,
    stdout: 'The queue is empty.\n',
    stderr: '',
  })
  expect(await run(['queue', 'eat', '--all'], env)).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') })
  expect(await run(['queue', 'hold'], env)).toMatchObject({ code: 1, stdout: '' })
  expect(await run(['queue', 'cancel', 'unknown', '--url', server.url], env)).toEqual({
    code: 1,
    stdout: 'Cancelled: 0\nNo match in the queue: 1 of the ids given.\n',
    stderr: '',
  })
})

test('an error of the server is shown with what it advises', async () => {
  const { env, server } = await runningServer()
  expect((await run(['app-password', 'create', '--url', server.url], env)).stderr).toMatch(
    /^martlet: martlet app-password create takes one inbox\n\nUsage: martlet app-password create\|list\|/,
  )
  const failed = await run(['app-password', 'create', 'nobody@mail.localhost', '--url', server.url], env)
  expect(failed).toMatchObject({ code: 1, stdout: '' })
  expect(failed.stderr).toMatch(/rejected the request: Inbox not found\. .*nobody@mail\.localhost/)
})

test('search rebuild and unsuppress call the running server', async () => {
  const { env, server } = await runningServer()
  expect(await run(['search', 'rebuild', '--url', server.url], env)).toEqual({
    code: 0,
    stdout: 'The server makes 0 blocks of the text index again. Searches work meanwhile, but take longer.\n',
    stderr: '',
  })
  expect(await run(['unsuppress', 'ann@a.test', '--url', server.url], env)).toEqual({
    code: 1,
    stdout: 'ann@a.test is not suppressed.\n',
    stderr: '',
  })
  expect((await run(['unsuppress', 'ann', '--url', server.url], env)).code).toBe(1)
  expect((await run(['unsuppress'], env)).code).toBe(2)
  expect(await run(['search'], env)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Usage: martlet search'),
  })
})

test('help is printed on request and after an unknown command', async () => {
  const overview = await run(['--help'], {})
  expect(overview).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: martlet') })
  expect(overview.stdout).toContain('node dist/cli.js')
  for (const command of [
    'serve',
    'resume',
    'unsuppress',
    'search',
    'migrate',
    'check',
    'backup',
    'restore',
    'key',
    'app-password',
    'domain',
    'queue',
  ]) {
    const help = await run([command, '--help'], { MARTLET_HTTP_PORT: 'wrong' })
    expect(help.stdout).toContain('node dist/cli.js')
    expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`^Usage: martlet ${command}\\b`)) })
    for (const line of help.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(145)
  }
  expect((await run(['queue', 'list', '--help'], {})).stdout).toContain('--state queued|held')
  expect((await run(['--version'], {})).stdout).toBe(`${packageJson.version}\n`)
  expect((await run(['queue', 'frob', '--all'], {})).stderr).toMatch(
    /^martlet: "queue frob" is no command, .*\n\nUsage: martlet queue/,
  )
  expect((await run(['key', 'create', '--nme', 'x'], {})).stderr).toBe(
    "martlet: Unknown option '--nme'; see martlet key --help\n",
  )
  expect(await run(['sevre'], {})).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage: martlet') })
})
