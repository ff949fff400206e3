/**
 * npm run build: compiles src/ to dist/. Does nothing, within milliseconds, when dist/ is up to date, so that every start
 * and every test run can call it.
 *
 * Types are not checked here, and what the sources import is not looked at (tsconfig.build.json): that is what
 * `npm run check` does, once, for sources and tests alike.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
/** In dist/: the fingerprint of what it was made from. */
const STAMP = 'dist/.fingerprint'
/** What decides on the compiler's output, beside the sources. */
const SETTINGS = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'node_modules/typescript/package.json']

/**
 * Brings dist/ up to date.
 *
 * @param {string} root folder of the package, with its node_modules/
 * @returns {boolean} whether anything had to be compiled
 * @throws Error when the compiler fails; its messages are on standard output
 */
export function build(root = repository) {
  const sources = readdirSync(join(root, 'src'), { recursive: true }).filter((file) => file.endsWith('.ts'))
  const stamp = join(root, STAMP)
  const wanted = fingerprintOf(root, sources)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false

  rmSync(stamp, { force: true }) // a build that is cut short leaves none
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const args = [compiler, '-p', join(root, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error('src/ could not be compiled')
  removeOutputsWithoutSource(join(root, 'dist'), sources)
  writeFileSync(stamp, wanted)
  return true
}

/** @returns {string} a name of what was built, another after each change */
export function fingerprint() {
  return readFileSync(join(repository, STAMP), 'utf8')
}

/** Changes with the path, the size and the modification time of every input: no file is read. */
function fingerprintOf(root, sources) {
  const inputs = [...SETTINGS, ...sources.map((file) => join('src', file)).sort()]
  const hash = createHash('sha256')
  for (const input of inputs) {
    const { mtimeMs, size } = statSync(join(root, input))
    hash.update(`${input}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest('hex')
}

/** What a source that was renamed or removed has left behind; nothing may import it any more. */
function removeOutputsWithoutSource(dist, sources) {
  const known = new Set(sources.map((file) => file.replace(/\.ts$/, '')))
  for (const file of readdirSync(dist, { recursive: true })) {
    if (/\.js(\.map)?$/.test(file) && !known.has(file.replace(/\.js(\.map)?$/, ''))) rmSync(join(dist, file))
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    build()
  } catch (error) {
    console.error(error.message) // after what the compiler had to say
    process.exitCode = 1
  }
}
