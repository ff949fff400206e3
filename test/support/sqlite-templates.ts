/**
 * The database files with which tests on SQLite start, so that not every test creates tables, keys and a certificate.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { inject } from 'vitest'
import { makeTemplate, type Template } from './database-templates.ts'
import { root } from './imports.ts'
import { ROOT_KEY } from './root-key.ts'

export const SQLITE_FILE = 'martlet.db'

/** Contents of the files, once per worker. */
const sqliteTemplates: { migrated?: Promise<Buffer>; started?: Buffer } = {}

/** An older template of a build is made again, because its rows have the time of its start. */
const TEMPLATE_AGE_MAX_MS = 3_600_000

/** Copies a template to where a server or a store will open it; changes nothing if there is no template yet. */
export async function copySqlite(template: Template, dataDir: string): Promise<void> {
  const bytes = template === 'started' ? startedSqlite() : await migratedSqlite()
  if (bytes) await writeFile(join(dataDir, SQLITE_FILE), bytes, { mode: 0o600 })
}

function migratedSqlite(): Promise<Buffer> {
  sqliteTemplates.migrated ??= makeTemplate('migrated', undefined, (folder) => readFile(join(folder, SQLITE_FILE)))
  return sqliteTemplates.migrated
}

/** undefined: no server was started since the last build. */
function startedSqlite(): Buffer | undefined {
  if (sqliteTemplates.started) return sqliteTemplates.started
  const file = startedFile()
  const isRecent = existsSync(file) && Date.now() - statSync(file).mtimeMs < TEMPLATE_AGE_MAX_MS
  if (isRecent) sqliteTemplates.started = readFileSync(file)
  return sqliteTemplates.started
}

/**
 * Keeps the database of a server that has just started without special settings. Other tests start with a copy of it,
 * in every worker and in later runs, until the next build.
 */
export function saveStarted(dataDir: string): void {
  if (sqliteTemplates.started) return
  const database = new BetterSqlite(join(dataDir, SQLITE_FILE), { readonly: true })
  try {
    sqliteTemplates.started = database.serialize()
  } finally {
    database.close()
  }
  const file = startedFile()
  const temporary = `${file}.${randomUUID()}`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(temporary, sqliteTemplates.started)
  renameSync(temporary, file) // atomic: another process never reads a partial file
  removeOldTemplates(dirname(file))
}

function startedFile(): string {
  const name = createHash('sha256')
    .update(`${inject('build')} ${ROOT_KEY}`)
    .digest('hex')
    .slice(0, 16)
  return join(root, 'node_modules/.cache/martlet-tests', `started-${name}.db`)
}

function removeOldTemplates(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name)
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (age > TEMPLATE_AGE_MAX_MS) rmSync(file, { force: true })
  }
}
