/**
 * npm run build: compiles src/ to dist/. Does nothing, within milliseconds, when dist/ is up to date, so that every start
 * and every test run can call it.
 *
 * It does not check types or resolve imports (tsconfig.build.json): `npm run check` does, once, for sources and tests alike.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
/** Holds the fingerprint of what dist/ was made from. */
const STAMP = 'dist/.fingerprint'
/** The compiler's own record of what it has emitted. */
const COMPILER_STATE = 'dist/.tsbuildinfo'
/** What decides on the compiler's output, beside the sources. */
const SETTINGS = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'node_modules/typescript/package.json']

/**
 * Brings dist/ up to date.
 *
 * @param {string} root folder of the package, with its node_modules/
 * @returns {boolean} whether anything had to be compiled
 * @throws Error when the compiler is missing or fails; its messages are on standard output
 */
export function build(root = repository) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  if (!existsSync(compiler)) throw new Error('The compiler is not installed; run npm ci first')
  const sources = readdirSync(join(root, 'src'), { recursive: true }).filter(isCompiled)
  const stamp = join(root, STAMP)
  const wanted = fingerprintOf(root, sources)
  const isComplete = sources.every((file) => existsSync(join(root, 'dist', file.replace(/\.ts$/, '.js'))))
  if (isComplete && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false

  rmSync(stamp, { force: true }) // an interrupted build leaves none
  if (!isComplete) rmSync(join(root, COMPILER_STATE), { force: true }) // else the compiler skips what it emitted before
  const args = [compiler, '-p', join(root, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error('src/ could not be compiled')
  removeOutputsWithoutSource(join(root, 'dist'), sources)
  writeFileSync(stamp, wanted)
  return true
}

/** @returns {string} identifies the build: it changes when any input changes */
export function fingerprint() {
  return readFileSync(join(repository, STAMP), 'utf8')
}

/** Declarations have no output. */
function isCompiled(file) {
  return file.endsWith('.ts') && !file.endsWith('.d.ts')
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

/** Builds, or ends the process with one sentence after the compiler's messages. */
export function buildOrExit() {
  try {
    build()
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}

const isCommand = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isCommand) buildOrExit()
