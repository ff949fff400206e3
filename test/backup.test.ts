/** Tests `martlet backup` and `martlet restore` as an operator uses them: separate processes, beside a running server. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, truncateSync } from 'node:fs'
import { chown, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import BetterSqlite from 'better-sqlite3'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { createArchive } from '../src/cli/backup-archive.ts'
import { runRestore } from '../src/cli/restore-command.ts'
import { unwritable } from '../src/cli/write-error.ts'
import { loadConfig } from '../src/config/settings.ts'
import { StartupError } from '../src/errors.ts'
import { copyDatabase } from '../src/store/sqlite/sqlite-backup.ts'
import { ImapClient } from './imap/imap-client.ts'
import { IMAP_ON } from './imap/martlet-under-test.ts'
import { FakeMx } from './support/fake-mx.ts'
import { MAIL_PROGRAMS_OFF } from './support/free-port.ts'
import { cli } from './support/program.ts'
import { recordSyncs } from './support/recorded-syncs.ts'
import { type ServerProcess, startServer } from './support/server-process.ts'

/** A user id that exists everywhere, and is not ours. */
const NOBODY = 65_534

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const settings = (dataDir: string, more: Readonly<Record<string, string>> = {}) => ({
  ...{ MARTLET_DATA_DIR: dataDir, MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF },
  ...more,
})

async function start(env: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const server = await startServer(env)
  onTestFinished(() => server.signal('SIGKILL'))
  return server
}

/** @param by a program that runs the command, with its first arguments */
function run(args: readonly string[], env: Readonly<Record<string, string>>, by: readonly string[] = []) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...env }, timeout: 20_000 }
    const [program, ...words] = [...by, process.execPath, cli, ...args] as [string, ...string[]]
    execFile(program, words, options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    )
  })
}

async function uidValidityOf({ lines }: ServerProcess, password: string): Promise<number> {
  const port = lines.find(({ msg }) => msg === 'ready')!.imapPort as number
  const client = await ImapClient.logIn(port, { user: 'ada@mail.localhost', password })
  const [status] = await client.ok('STATUS INBOX (UIDVALIDITY)')
  client.destroy()
  return Number(/UIDVALIDITY (\d+)/.exec(status!)![1])
}

function clientOf({ url }: ServerProcess, dataDir: string) {
  const key = execFileSync('cat', [join(dataDir, 'root-key')], { encoding: 'utf8' }).trim()
  return async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    expect(response.status).toBe(200)
    // biome-ignore lint/suspicious/noExplicitAny: the tests read any response
    return response.json() as Promise<any>
  }
}

/** Sends message after message until `isOver` returns true; returns how many were accepted. */
async function sendUntil(server: ServerProcess, isOver: () => boolean): Promise<number> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: server.smtpPort,
    pool: true,
    tls: { rejectUnauthorized: false },
  })
  let count = 0
  for (; !isOver(); count++) await transport.sendMail(mailOf(`load ${count}`))
  transport.close()
  return count
}

const mailOf = (subject: string, text = 'x') => ({ from: 'ann@example.test', to: 'ada@mail.localhost', subject, text })

test('a backup of a busy server is restored, complete and paused, to an empty folder', async () => {
  await using relay = new FakeMx({ on: (line) => (line.startsWith('MAIL') ? '451 4.3.2 later' : undefined) })
  await relay.listen('127.0.0.1', 0)
  const folder = await temporaryFolder()
  const [dataDir, restoredDir, file] = ['data', 'restored', 'martlet.tar'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const outbound = { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` }
  const server = await start(settings(dataDir, { ...outbound, ...IMAP_ON }))
  const request = clientOf(server, dataDir)
  await request('POST', '/v0/inboxes', { username: 'ada' })
  const { password } = await request('POST', '/v0/inboxes/ada@mail.localhost/app-passwords', {})
  const validity = await uidValidityOf(server, password)
  const large = 'large '.repeat(100_000)
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail(mailOf('large', large))
  await request('POST', '/v0/inboxes/ada@mail.localhost/messages/send', { to: 'eve@example.test', text: 'once' })

  let isOver = false
  const load = sendUntil(server, () => isOver)
  const backup = await run(['backup', file], settings(dataDir))
  isOver = true
  const sent = await load
  expect(backup).toMatchObject({ code: 0, stderr: '' })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  // Other programs can read it, and nothing else is left.
  expect(execFileSync('tar', ['tf', file], { encoding: 'utf8' })).toMatch(
    /^(blobs\/[0-9a-f]{2}\/[0-9a-f]{32}\n)+martlet\.db\nroot-key\nbackup\.json\n$/,
  )
  expect(await readdir(folder)).toEqual(['data', 'martlet.tar'])
  server.signal('SIGKILL')
  await server.exited
  relay.behaviour = {}

  await mkdir(restoredDir, { mode: 0o700 })
  const { uid } = await stat(restoredDir)
  const owner = uid === 0 ? NOBODY : uid // only root can give a folder to another user
  await chown(restoredDir, owner, -1)
  const restore = await run(['restore', file], settings(restoredDir))
  for (const each of ['blobs', 'martlet.db', 'root-key']) expect((await stat(join(restoredDir, each))).uid).toBe(owner)
  expect(restore).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('are paused') })
  const copy = await start(settings(restoredDir, { ...outbound, ...IMAP_ON }))
  const ask = clientOf(copy, restoredDir)
  expect(await ask('GET', '/readyz')).toEqual({ status: 'ready', outbound: 'paused' })
  const { count } = await ask('GET', '/v0/inboxes/ada@mail.localhost/messages?limit=500')
  expect(count).toBeGreaterThanOrEqual(2)
  expect(count).toBeLessThanOrEqual(2 + sent)
  const { messages } = await ask('GET', '/v0/inboxes/ada@mail.localhost/messages?limit=2&ascending=true')
  const { text } = await ask(
    'GET',
    `/v0/inboxes/ada@mail.localhost/messages/${encodeURIComponent(messages[0].message_id)}`,
  )
  expect(text.replace(/\s+/g, ' ').trim()).toBe(large.trim())
  expect((await ask('GET', '/v0/queue')).recipients).toMatchObject([{ recipient: 'eve@example.test', state: 'queued' }])
  const mails = relay.messages.length
  // UIDs that were given since the backup mean other messages (RFC 9051 §2.3.1.1).
  expect(await uidValidityOf(copy, password)).toBeGreaterThan(validity)
  expect((await ask('POST', '/v0/outbound/resume')).was_paused).toBe(true)
  await ask('POST', '/v0/queue/retry', { all: true })
  expect((await relay.mail(mails + 1)).to).toEqual(['eve@example.test'])
})

test('a backup without a server leaves the folder as it was; missing contents are reported', async () => {
  const folder = await temporaryFolder()
  const dataDir = join(folder, 'data')
  await runWithMessage(dataDir, 'large '.repeat(100_000))
  const files = await readdir(dataDir)

  const complete = await run(['backup', join(folder, 'one.tar')], settings(dataDir))
  expect(complete).toMatchObject({ code: 0, stdout: expect.stringMatching(/, 1 file of large messages, /) })
  expect(await readdir(dataDir)).toEqual(files)
  await rm(join(dataDir, 'blobs'), { recursive: true })
  const { code, stdout } = await run(['backup', join(folder, 'two.tar')], settings(dataDir))
  expect(stdout).toMatch(/^warn {2}missing in .*blobs: 1 file of large messages$/m)
  expect(code).toBe(1)
})

test('backup and restore overwrite nothing, and refuse what is not a complete backup', async () => {
  const folder = await temporaryFolder()
  const [dataDir, other, file] = ['data', 'other', 'martlet.tar'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  expect((await run(['backup', file], settings(dataDir))).stderr).toContain('There is no database in')
  await mkdir(other)
  await symlink('martlet.db', join(other, 'martlet.db')) // fails like a folder of another user, also for root
  await expect(copyDatabase(other, file)).rejects.toThrow(
    /cannot be copied \(ELOOP\); run this as the user of the service/,
  )
  await rm(join(other, 'martlet.db'))
  const server = await start(settings(dataDir))
  expect((await run(['backup', file], settings(dataDir))).code).toBe(0)
  expect((await run(['backup', file], settings(dataDir))).stderr).toContain('exists; choose another name')
  expect((await run(['restore', file], settings(dataDir))).stderr).toContain('is in use by another Martlet process')
  server.signal('SIGTERM')
  await server.exited
  expect((await run(['restore', file], settings(dataDir))).stderr).toMatch(
    /contains a database, or a part of one \(martlet\.db\); move all/,
  )

  const missing = join(dirname(dataDir), 'none', 'martlet.tar')
  expect((await run(['backup', missing], settings(dataDir))).stderr).toBe(
    `martlet: ${missing} cannot be written (ENOENT): the folder ${dirname(missing)} does not exist\n`,
  )
  expect((await run(['restore', missing], settings(other))).stderr).toBe(
    `martlet: ${missing} cannot be read (ENOENT): the file does not exist\n`,
  )

  truncateSync(file, (await stat(file)).size - 4_096)
  const truncated = await run(['restore', file], settings(other))
  expect(truncated).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not a complete backup/) })
  expect(existsSync(join(other, 'martlet.db'))).toBe(false)
  const postgres = { MARTLET_DATABASE_URL: 'postgres://127.0.0.1:1/x', MARTLET_ROOT_KEY: 'x'.repeat(20) }
  expect((await run(['backup', `${file}2`], settings(other, postgres))).stderr).toContain('use pg_dump')
  const restored = runRestore(loadConfig(settings(other, postgres)), file, process.stdout)
  await expect(restored).rejects.toThrow('use pg_dump')
})

// Only the size of martlet.db was checked. SQLite wrote the log of the server before into the restored database.
test('a restore refuses the write-ahead log of a killed server, and removes what a killed restore left', async () => {
  const folder = await temporaryFolder()
  const [dataDir, file] = ['data', 'martlet.tar'].map((name) => join(folder, name)) as [string, string]
  const database = join(dataDir, 'martlet.db')
  const server = await start(settings(dataDir))
  await clientOf(server, dataDir)('POST', '/v0/inboxes', { username: 'ada' })
  expect((await run(['backup', file], settings(dataDir))).code).toBe(0)
  await clientOf(server, dataDir)('POST', '/v0/inboxes', { username: 'later' })
  server.signal('SIGKILL')
  await server.exited
  const { size } = await stat(`${database}-wal`)
  expect(size).toBeGreaterThan(0)

  await rename(database, join(folder, 'old.db'))
  const refused = await run(['restore', file], settings(dataDir))
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/\(martlet\.db-wal, martlet\.db-shm\); move all/),
  })
  // A server that found an empty database there would delete the log, and with it the only copy of acknowledged mail.
  expect(await readdir(dataDir)).not.toContain('martlet.db')
  expect((await stat(`${database}-wal`)).size).toBe(size)

  // A restore that was killed while it changed the unfinished database leaves its log. The name below has the log of the server.
  await rename(`${database}-wal`, `${database}.restoring-wal`)
  await writeFile(`${database}-wal`, '')
  expect(await run(['restore', file], settings(dataDir))).toMatchObject({ code: 0, stderr: '' })
  expect((await readdir(dataDir)).filter((name) => name.startsWith('martlet'))).toEqual(['martlet.db'])
  const restored = await start(settings(dataDir))
  const { inboxes } = await clientOf(restored, dataDir)('GET', '/v0/inboxes')
  expect(inboxes.map(({ email }: { email: string }) => email)).toEqual([
    'ada@mail.localhost',
    'postmaster@mail.localhost',
  ])
})

// The files were flushed, but not the folders in which their new folders are: a power loss could remove all of them.
test('a first start and a restore flush each folder in which they create one', async () => {
  const folder = await temporaryFolder()
  const [dataDir, file] = ['first', 'martlet.tar'].map((name) => join(folder, name)) as [string, string]
  const ofStart = recordSyncs(join(folder, 'start.txt'))
  const server = await start(settings(dataDir, { NODE_OPTIONS: ofStart.nodeOptions }))
  expect(ofStart.paths()).toEqual(expect.arrayContaining([folder, dataDir, join(dataDir, 'blobs')]))
  await clientOf(server, dataDir)('POST', '/v0/inboxes', { username: 'ada' })
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail(mailOf('large', 'large '.repeat(100_000)))
  expect((await run(['backup', file], settings(dataDir))).code).toBe(0)
  server.signal('SIGKILL')
  await server.exited

  const parent = join(folder, 'new')
  const [restored, blobs] = [join(parent, 'data'), join(parent, 'data/blobs')]
  for (const [name, flushed] of [
    ['restore', [folder, parent, restored, blobs]],
    ['restore after one that was killed', [restored, blobs]], // its folders exist
  ] as const) {
    const syncs = recordSyncs(join(folder, `${name}.txt`))
    const { code } = await run(['restore', file], settings(restored, { NODE_OPTIONS: syncs.nodeOptions }))
    expect(code).toBe(0)
    const ofBlobs = (await readdir(blobs)).map((each) => join(blobs, each))
    expect(ofBlobs.length).toBeGreaterThan(0)
    expect(syncs.paths()).toEqual(expect.arrayContaining([...flushed, ...ofBlobs]))
    await rm(join(restored, 'martlet.db'))
  }
})

/** Runs a server until its inbox `ada` has received a message with this text. */
async function runWithMessage(dataDir: string, text: string): Promise<void> {
  const server = await start(settings(dataDir))
  await clientOf(server, dataDir)('POST', '/v0/inboxes', { username: 'ada' })
  const transport = createTransport({ host: '127.0.0.1', port: server.smtpPort, tls: { rejectUnauthorized: false } })
  await transport.sendMail(mailOf('large', text))
  server.signal('SIGTERM')
  await server.exited
}

// A backup said "cannot be read; run this as the user of the service", and a restore printed a stack trace.
test('a backup and a restore that cannot write say which file, and leave no part of one', async () => {
  const folder = await temporaryFolder()
  const [dataDir, other, file] = ['data', 'other', 'martlet.tar'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await runWithMessage(dataDir, 'large '.repeat(700_000))

  // 3 MB: the database fits into that, the message does not. (A full disk needs a file system of its own.)
  const limited = (args: readonly string[], env: Readonly<Record<string, string>>) =>
    run(args, env, ['sh', '-c', 'ulimit -f 6000; exec "$@"', 'sh'])
  const refused = await limited(['backup', file], settings(dataDir))
  expect(refused).toEqual({ code: 1, stdout: '', stderr: `martlet: ${file} cannot be written (EFBIG)\n` })
  expect(await readdir(folder)).toEqual(['data'])

  expect((await run(['backup', file], settings(dataDir))).code).toBe(0)
  await mkdir(other, { mode: 0o700 })
  const { uid } = await stat(other)
  const owner = uid === 0 ? NOBODY : uid // only root can give a folder to another user
  await chown(other, owner, -1)
  const restored = await limited(['restore', file], settings(other))
  expect(restored).toMatchObject({ code: 1, stdout: '' })
  expect(restored.stderr).toMatch(/^martlet: \S+\/other\/blobs\/\w\w\/\w{32} cannot be written \(EFBIG\)\n$/)
  expect(await readdir(other)).toEqual(['blobs', 'lock'])
  // A lock file of root prevented the start of a server that runs as the owner.
  for (const each of await readdir(other)) expect((await stat(join(other, each))).uid).toBe(owner)

  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC', syscall: 'write' })
  expect(unwritable('/srv/a.tar', full)).toEqual(
    new StartupError('/srv/a.tar cannot be written (ENOSPC): the disk is full, or a quota of it'),
  )
  const { backup } = BetterSqlite.prototype
  onTestFinished(() => {
    BetterSqlite.prototype.backup = backup
  })
  BetterSqlite.prototype.backup = () =>
    Promise.reject(new BetterSqlite.SqliteError('database or disk is full', 'SQLITE_FULL'))
  await expect(copyDatabase(dataDir, join(folder, 'copy'))).rejects.toThrow(
    'The copy of the database cannot be written (SQLITE_FULL): the disk of the backup is full',
  )
})

// Each server deletes the files that its database does not know: a server for tests with a backup, and the settings of the original, would
// have deleted what the original received later. Both started.
test('a second server, a restore and a check refuse the folder of large messages of another server', async () => {
  const folder = await temporaryFolder()
  const [dataDir, other, blobs, file] = ['data', 'other', 'blobs', 'martlet.tar'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  const refusal = (path: string) => `The folder of large messages ${path} is in use by another Martlet server`
  const own = { MARTLET_BLOBS_URL: pathToFileURL(blobs).href }
  const server = await start(settings(dataDir, own))
  expect((await run(['backup', file], settings(dataDir, own))).code).toBe(0)
  expect((await run(['check'], settings(dataDir, own))).stdout).toMatch(/^ok {4}disk: /m)
  const second = await run(['serve'], settings(other, own))
  expect(second).toMatchObject({ code: 1, stdout: expect.stringContaining(refusal(blobs)) })
  const check = await run(['check'], settings(other, own))
  expect(check.stdout).toContain(`FAIL  disk: ${refusal(blobs)}`)
  await rm(other, { recursive: true })
  const restore = await run(['restore', file], settings(other, own))
  expect(restore).toMatchObject({ code: 1, stderr: expect.stringContaining(refusal(blobs)) })
  expect(await readdir(other)).toEqual(['lock'])
  server.signal('SIGTERM')
  await server.exited
  expect((await run(['restore', file], settings(other, own))).code).toBe(0)

  // The folder inside the data folder of a server has no lock of its own: that of the data folder counts.
  const usual = join(dataDir, 'blobs')
  const named = { MARTLET_BLOBS_URL: pathToFileURL(usual).href }
  const first = await start(settings(dataDir))
  const third = await run(['serve'], settings(other, named))
  expect(third).toMatchObject({ code: 1, stdout: expect.stringContaining(refusal(usual)) })
  first.signal('SIGTERM')
  await first.exited
  await start(settings(other, named))
  const fourth = await run(['serve'], settings(dataDir))
  expect(fourth).toMatchObject({ code: 1, stdout: expect.stringContaining(refusal(usual)) })
})

// Each check of an archive was covered by another one, so a test stayed green without it.
test('an archive with missing, foreign or damaged contents leaves no database', async () => {
  const folder = await temporaryFolder()
  const database = Buffer.alloc(8_192, 'x') // not SQLite's format
  const manifest = { format: 1, database_bytes: database.length, blobs: 0 }
  const cases: readonly [reason: string, entries: Readonly<Record<string, Buffer>>, manifest?: object][] = [
    ['it lacks backup.json', { 'martlet.db': database }],
    ['its format 2 belongs to another version', { 'martlet.db': database }, { ...manifest, format: 2 }],
    ['it contains "../evil"', { 'martlet.db': database, '../evil': database }, manifest],
    ['its entries are not those of backup.json', { 'martlet.db': database }, { ...manifest, blobs: 1 }],
    ['its entries are not those of backup.json', { 'martlet.db': database.subarray(1) }, manifest],
    ['file is not a database', { 'martlet.db': database }, manifest],
  ]
  for (const [index, [reason, entries, last]] of cases.entries()) {
    const file = join(folder, `${index}.tar`)
    const archive = await createArchive(file, 0)
    const all = { ...entries, ...(last && { 'backup.json': Buffer.from(JSON.stringify(last)) }) }
    for (const [path, bytes] of Object.entries(all)) await archive.append(path, bytes.length, [bytes])
    await archive.finish()
    await archive.close()
    const dataDir = join(folder, String(index))
    const restored = runRestore(loadConfig(settings(dataDir)), file, process.stdout)
    await expect(restored, reason).rejects.toThrow(reason)
    for (const name of ['martlet.db', 'martlet.db.restoring', '../evil'])
      expect(existsSync(join(dataDir, name)), `${reason}: ${name}`).toBe(false)
  }
  const note = join(folder, 'note.txt')
  await writeFile(note, 'a list of things to do\n'.repeat(100))
  for (const bytes of [2_300, 23, 0]) {
    truncateSync(note, bytes)
    const restored = runRestore(loadConfig(settings(folder)), note, process.stdout)
    await expect(restored).rejects.toThrow(`${note} is not a backup made by martlet backup`)
  }
  const whole = join(folder, '5.tar')
  truncateSync(whole, (await stat(whole)).size - 1_024) // the two empty blocks that end an archive
  await expect(runRestore(loadConfig(settings(folder)), whole, process.stdout)).rejects.toThrow('it is truncated')
})

test('a database of another development version stops a start and a restore, which say how to keep its mail', async () => {
  const folder = await temporaryFolder()
  const [dataDir, other, file] = ['data', 'other', 'martlet.tar'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await runWithMessage(dataDir, 'large '.repeat(100_000))
  const database = new BetterSqlite(join(dataDir, 'martlet.db'))
  database.exec("update schema_migrations set hash = 'of other statements', applied_at = 1764500000000")
  database.close()
  expect(await run(['backup', file], settings(dataDir))).toMatchObject({ code: 0 })

  const keep = "created at 2025-11-30T10:53:20.000Z by another development version of Martlet.* git checkout 'HEAD@"
  const started = await run(['serve'], settings(dataDir))
  expect(started).toMatchObject({ code: 1, stdout: expect.stringMatching(`The database was ${keep}`) })
  const restored = await run(['restore', file], settings(other))
  expect(restored).toMatchObject({ code: 1, stderr: expect.stringMatching(`The database of the backup was ${keep}`) })
  expect(restored.stderr).toContain('Nothing was restored')
  expect(await readdir(other)).toEqual(['lock']) // no large message and no root key either
})
