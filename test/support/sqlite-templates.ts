/**
 * The database files with which tests on SQLite start, so that not every test creates tables, keys and a certificate.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inject } from 'vitest'
import { makeTemplate, type Template } from './database-templates.ts'
import { root } from './imports.ts'
import { ROOT_KEY } from './root-key.ts'

export const SQLITE_FILE = 'martlet.db'

/** Contents of the files, once per worker. */
const contents: Partial<Record<Template, Promise<Buffer>>> = {}

/** An older template of a build is made again, because its rows have the time of its start. */
const TEMPLATE_AGE_MAX_MS = 3_600_000

/** Copies a template to where a server or a store will open it. */
export async function copySqlite(template: Template, dataDir: string): Promise<void> {
  contents[template] ??= template === 'started' ? startedSqlite() : makeSqlite(template)
  await writeFile(join(dataDir, SQLITE_FILE), await contents[template], { mode: 0o600 })
}

function makeSqlite(template: Template): Promise<Buffer> {
  return makeTemplate(template, undefined, (folder) => readFile(join(folder, SQLITE_FILE)))
}

/** Other workers and later runs use the same file, until the next build: it takes a server to make it. */
async function startedSqlite(): Promise<Buffer> {
  const file = startedFile()
  const isRecent = existsSync(file) && Date.now() - statSync(file).mtimeMs < TEMPLATE_AGE_MAX_MS
  if (isRecent) return readFile(file)
  const bytes = await makeSqlite('started')
  const temporary = `${file}.${randomUUID()}`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(temporary, bytes)
  renameSync(temporary, file) // atomic: another process never reads a partial file
  removeOldTemplates(dirname(file))
  return bytes
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
    if (!name.includes('.db')) continue
    const file = join(folder, name)
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (age > TEMPLATE_AGE_MAX_MS) rmSync(file, { force: true })
  }
}
