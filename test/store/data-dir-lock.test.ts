/** Tests that only one process uses a data folder: locks, file modes, and what a killed process leaves behind. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { StartupError } from '../../src/errors.ts'
import { inspectStore } from '../../src/store/inspection.ts'
import { lockDataDir } from '../../src/store/sqlite/data-dir-lock.ts'
import { copyDatabase } from '../../src/store/sqlite/sqlite-backup.ts'
import { openStore } from '../../src/store/store.ts'
import {
  event,
  insertOrganization,
  loggedEvents,
  openTestStore,
  organizationIds,
  rejection,
  storeNeeds,
  temporaryFolder,
} from './test-store.ts'

test('a second start on a folder in use fails with an error that names the folder', async () => {
  await using store = await openTestStore()
  const error = await rejection(openStore(storeNeeds({ dataDir: store.dataDir })))
  expect(error).toBeInstanceOf(StartupError)
  expect((error as Error).message).toContain(store.dataDir)

  await store.transaction((tx) => insertOrganization(tx, 'a')) // the first process is not affected
  await rejection(openStore(storeNeeds({ dataDir: store.dataDir }))) // and it still has the lock
})

test('a folder that was closed can be opened again', async () => {
  await using folder = await temporaryFolder()
  for (const id of ['a', 'b']) {
    const store = await openTestStore({ dataDir: folder.path })
    await store.transaction((tx) => insertOrganization(tx, id))
    await store.close()
  }
  await using store = await openTestStore({ dataDir: folder.path })
  expect(await organizationIds(store)).toEqual(['a', 'b'])
})

test('kill -9 frees the folder and loses no acknowledged commit', async () => {
  await using folder = await temporaryFolder()
  const child = startHolder(folder.path)
  const lines = linesOf(child)
  await lines.atLeast(50)

  expect(await rejection(openStore(storeNeeds({ dataDir: folder.path })))).toBeInstanceOf(StartupError)
  child.kill('SIGKILL')
  const acknowledged = await lines.all()

  await using store = await openTestStore({ dataDir: folder.path })
  const ids = await organizationIds(store)
  expect(ids).toEqual(expect.arrayContaining(acknowledged))
  // One event per row, numbered without a gap: log and rows agree, whenever the kill happened.
  expect(await loggedEvents(store)).toEqual(ids.map((id, index) => [index + 1, id]))
  await store.transaction(async (tx) => tx.append(event('next')))
  expect((await loggedEvents(store)).at(-1)).toEqual([ids.length + 1, 'next'])
})

// A start let SQLite delete the log, and with it the only copy of mail. So did a backup.
test('a write-ahead log without its database stops a start, a check and a backup, and is kept', async () => {
  await using first = await temporaryFolder({ isMigrated: false })
  await using folder = await temporaryFolder({ isMigrated: false })
  const [database, log] = ['martlet.db', 'martlet.db-wal'].map((name) => join(folder.path, name)) as [string, string]
  // As a server that is killed during its first start leaves them: everything is in the log.
  const store = await openTestStore({ dataDir: first.path })
  await store.transaction((tx) => insertOrganization(tx, 'a'))
  for (const file of [database, log]) await copyFile(join(first.path, basename(file)), file)
  await store.close()
  expect((await stat(database)).size).toBe(4_096)
  const [databaseBytes, logBytes] = [await readFile(database), await readFile(log)]

  const { config } = storeNeeds({ dataDir: folder.path })
  for (const lose of [() => truncate(database, 0), () => rm(database)]) {
    await lose()
    const files = await readdir(folder.path)
    const message = `${database} is missing or empty, but its write-ahead log`
    for (const use of [
      () => inspectStore(config),
      () => copyDatabase(folder.path, join(first.path, 'copy')),
      () => openStore(storeNeeds({ dataDir: folder.path })),
    ]) {
      const error = await rejection(use())
      expect(error).toBeInstanceOf(StartupError)
      expect((error as Error).message).toContain(message)
      expect((await readFile(log)).equals(logBytes)).toBe(true)
    }
    expect(await readdir(folder.path)).toEqual([...new Set(['lock', ...files])].toSorted())
  }

  await writeFile(database, databaseBytes)
  await using recovered = await openTestStore({ dataDir: folder.path })
  expect(await organizationIds(recovered)).toEqual(['a'])
})

test('a backup of a database without tables says that there is nothing to save', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const needs = storeNeeds({ dataDir: folder.path })
  const failed = openStore({ ...needs, beforeMigrating: () => Promise.reject(new StartupError('port in use')) })
  expect(await rejection(failed)).toMatchObject({ message: 'port in use' })
  const error = await rejection(copyDatabase(folder.path, join(folder.path, 'copy')))
  expect(error).toBeInstanceOf(StartupError)
  expect((error as Error).message).toContain('martlet.db has no tables: no start has succeeded yet')
  expect(await readdir(folder.path)).toEqual(['lock', 'martlet.db'])
})

// The start was refused: the lock of this server itself counted as that of another one.
test('large messages can be in the data folder itself, and either folder can be named by a link', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const [data, link] = [join(folder.path, 'data'), join(folder.path, 'link')]
  await symlink('data', link)
  for (const [dataDir, blobsDir] of [
    ...[[data, data] as const, [data, `${data}/`] as const, [data, link] as const],
    ...[[data, join(link, 'blobs')] as const, [link, join(data, 'large')] as const],
  ]) {
    const { config, ...needs } = storeNeeds({ dataDir })
    const store = await openStore({ config: { ...config, blobsDir }, ...needs })
    await store.blobs.put(chunks('bytes'))
    await store.close()
  }
})

test('two servers cannot use one folder of large messages by links in their data folders', async () => {
  await using folder = await temporaryFolder({ isMigrated: false })
  const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')]
  for (const name of ['first', 'second', 'large']) await mkdir(join(folder.path, name))
  for (const each of [first, second]) await symlink(join('..', 'large'), join(each, 'blobs'))
  await using _store = await openTestStore({ dataDir: first })
  const error = await rejection(openStore(storeNeeds({ dataDir: second })))
  expect(error).toBeInstanceOf(StartupError)
  expect((error as Error).message).toContain(`The folder of large messages ${join(second, 'blobs')} is in use`)
})

test('no other user of the machine can read the folder or its files', async () => {
  await using parent = await temporaryFolder()
  const dataDir = join(parent.path, 'new', 'data')
  await using store = await openTestStore({ dataDir })
  await store.transaction((tx) => insertOrganization(tx, 'a'))
  await store.blobs.put(chunks('bytes'))

  expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
  for (const name of await readdir(dataDir)) {
    const { mode } = await stat(join(dataDir, name))
    expect(`${name} ${(mode & 0o077).toString(8)}`).toBe(`${name} 0`)
  }
})

test('a folder that cannot be created, or a file that is no database, stops the start with an error', async () => {
  await using parent = await temporaryFolder()
  await writeFile(join(parent.path, 'file'), 'not a folder')
  const inFile = await rejection(openStore(storeNeeds({ dataDir: join(parent.path, 'file', 'data') })))
  expect(inFile).toBeInstanceOf(StartupError)
  expect((inFile as Error).message).toBe(
    `The data folder ${join(parent.path, 'file', 'data')} cannot be created (ENOTDIR): it, or a folder above it, is a file; set MARTLET_DATA_DIR to a folder`,
  )

  await mkdir(join(parent.path, 'other'))
  await writeFile(join(parent.path, 'other', 'martlet.db'), 'something else'.repeat(1_000))
  expect(await rejection(openStore(storeNeeds({ dataDir: join(parent.path, 'other') })))).toBeInstanceOf(StartupError)
})

test.runIf(process.geteuid?.() !== 0 || process.seteuid !== undefined)(
  'a folder without permission stops the start with the command that permits it',
  async () => {
    await using parent = await temporaryFolder()
    const [there, missing] = [join(parent.path, 'there'), join(parent.path, 'missing')]
    await mkdir(there)
    await chmod(there, 0o500)
    await chmod(parent.path, 0o555)
    const before = process.geteuid!()
    if (before === 0) process.seteuid!(65_534)
    const uid = process.geteuid!()
    const errors: string[] = []
    try {
      for (const dataDir of [there, missing]) {
        try {
          lockDataDir(dataDir).release()
        } catch (error) {
          errors.push(String(error))
        }
      }
    } finally {
      process.seteuid!(before)
      await chmod(parent.path, 0o755)
    }
    const rest = (folder: string) => `chown -R ${uid} '${folder}', or set MARTLET_DATA_DIR to another folder`
    const cause = `(EACCES): this user (uid ${uid}) lacks the permission; as root, run`
    expect(errors).toEqual([
      `StartupError: The data folder ${there} cannot be locked ${cause} ${rest(there)}`,
      `StartupError: The data folder ${missing} cannot be created ${cause} mkdir -p '${missing}' && ${rest(missing)}`,
    ])
  },
)

async function* chunks(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

/**
 * Starts a process of compiled code that locks the folder and prints each organization once its commit is acknowledged.
 */
function startHolder(dataDir: string): ChildProcess {
  const compiled = (file: string) => JSON.stringify(new URL(`../../build/src/${file}`, import.meta.url).href)
  const script = `
    import { randomBytes } from 'node:crypto'
    import { withLimits } from ${compiled('config/limits.js')}
    import { createLog } from ${compiled('log.js')}
    import { createMetrics } from ${compiled('metrics.js')}
    import { openStore } from ${compiled('store/store.js')}
    const config = { dataDir: ${JSON.stringify(dataDir)}, limits: withLimits({ store: { transactionGroupMax: 3 } }) }
    const needs = { log: createLog('silent'), metrics: createMetrics(), clock: Date.now, random: randomBytes }
    const store = await openStore({ config, ...needs })
    async function addOne(id) {
      await store.transaction(async (tx) => {
        await tx.insertInto('organizations').values({ id, created_at: tx.now, updated_at: tx.now }).execute()
        const event = { type: id, visibility: 'public', organizationId: id, actor: 'test', payload: {} }
        tx.append(event)
      })
      console.log(id)
    }
    for (let n = 0; ; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, i) => addOne(String(n + i).padStart(8, '0'))))
    }`
  return spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Reads the lines that the process prints; `all` waits until it has ended. */
function linesOf(child: ChildProcess): { atLeast(count: number): Promise<void>; all(): Promise<string[]> } {
  let text = ''
  const lines = () => text.split('\n').slice(0, -1)
  const closed = once(child, 'close')
  child.stdout!.on('data', (chunk) => {
    text += chunk
  })
  return {
    async atLeast(count) {
      while (lines().length < count) await once(child.stdout!, 'data')
    },
    async all() {
      await closed
      return lines()
    },
  }
}
