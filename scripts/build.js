/**
 * Builds the server, twice:
 *
 * - `npm run build` bundles `src/` and the packages it imports to `dist/`: what `npm start`, the package and the container
 *   run. Loading a few files takes half the time of loading the 1,300 modules that they consist of.
 * - `npm run build:modules` compiles each file of `src/` to one of `build/src/`: what tests and scripts import.
 *
 * Neither does anything, within milliseconds, when its output is up to date, so that every start and every test run can
 * call it. Neither checks types (`npm run check` does, once, for sources and tests alike).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'

const repository = fileURLToPath(new URL('..', import.meta.url))

/** In each output folder: a line with the fingerprint of the inputs, then a line per output file. */
const STAMP = '.fingerprint'
/** What decides on the compiler's output, beside the sources. */
const COMPILER_INPUTS = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'node_modules/typescript/package.json']
/** The compiler's own record of what it has emitted. */
const COMPILER_STATE = 'build/src/.tsbuildinfo'
/** What decides on the bundle, beside the sources. The lock file stands for all packages. */
const BUNDLER_INPUTS = ['package.json', 'package-lock.json', 'scripts/build.js', 'node_modules/rolldown/package.json']
/** Entries of the bundle beside the worker threads: the program, and what tests start with limits of their own. */
const ENTRIES = ['cli.ts', 'server/start.ts', 'config/settings.ts', 'fault-boundary.ts', 'log.ts', 'metrics.ts']
/** Native code, and an optional package that `pg` tries to load. */
const NOT_BUNDLED = ['better-sqlite3', 'pg-native']
/**
 * Packages that Fastify would load for validators, serializers and requests that the server makes itself; it gets other ones, or
 * makes none. They would be an eighth of the bundle, whose text stays in memory.
 */
const NEVER_LOADED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']
/** Files of the API reference (src/edges/http/server/reference-page.ts), by the name of their compressed copy. */
const VIEWER = 'node_modules/swagger-ui-dist'
const VIEWER_FILES = { 'swagger-ui.js.gz': 'swagger-ui-bundle.js', 'swagger-ui.css.gz': 'swagger-ui.css' }
/** Holds the licences of the bundled packages, which their owners require beside every copy. */
const LICENCES = 'LICENCES.txt'

/**
 * Brings build/src/ up to date.
 *
 * @param {string} root folder of the package, with its node_modules/
 * @returns {boolean} whether anything had to be compiled
 * @throws Error when the compiler is missing or fails; its messages are on standard output
 */
export function buildModules(root = repository) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  requireTool(compiler, 'The compiler')
  const folder = join(root, 'build/src')
  const wanted = fingerprintOf(root, COMPILER_INPUTS)
  if (isUpToDate(folder, wanted)) return false

  const outputs = sourcesOf(root).map((file) => file.replace(/\.ts$/, '.js'))
  rmSync(join(folder, STAMP), { force: true }) // an interrupted build leaves none
  // Else the compiler skips what it emitted before.
  if (!outputs.every((file) => existsSync(join(folder, file)))) rmSync(join(root, COMPILER_STATE), { force: true })
  const args = [compiler, '-p', join(root, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error('src/ could not be compiled')
  finish(folder, wanted, outputs)
  return true
}

/**
 * Brings dist/ up to date. Each file is replaced by a whole one: a server that starts meanwhile, or another build, never
 * reads a part of a file.
 *
 * @param {string} root folder of the package, with its node_modules/
 * @returns {Promise<boolean>} whether anything had to be bundled
 * @throws Error when the bundler is missing or fails
 */
export async function bundle(root = repository) {
  requireTool(join(root, 'node_modules/rolldown'), 'The bundler')
  const folder = join(root, 'dist')
  const wanted = fingerprintOf(root, BUNDLER_INPUTS)
  if (isUpToDate(folder, wanted)) return false

  rmSync(join(folder, STAMP), { force: true })
  const { rolldown } = await import('rolldown') // 100 ms, which a start without changes does not spend
  const threads = sourcesOf(root).filter((file) => file.endsWith('.thread.ts'))
  const bundled = await rolldown({
    cwd: root,
    // All in one folder, because code that starts a thread looks for it beside its own file, which may be any of them.
    input: Object.fromEntries([...ENTRIES, ...threads].map((file) => [basename(file, '.ts'), join(root, 'src', file)])),
    platform: 'node',
    external: NOT_BUNDLED,
    resolve: { alias: Object.fromEntries(NEVER_LOADED.map((name) => [name, false])) }, // an empty module
  })
  const made = mkdtempSync(join(root, '.dist-')) // as deep as dist/, because source maps have relative paths
  try {
    const { output } = await bundled.write({
      dir: made,
      format: 'esm',
      sourcemap: true,
      entryFileNames: '[name].js',
      chunkFileNames: '[name].js',
      // A process keeps the text of all modules that it has loaded in memory. Their types and documentation are in src/.
      comments: false,
    })
    await bundled.close()
    for (const { fileName } of output.filter(({ type }) => type === 'chunk')) {
      const file = join(made, fileName)
      writeFileSync(file, inAscii(readFileSync(file, 'utf8')))
    }
    for (const [name, file] of Object.entries(VIEWER_FILES)) {
      writeFileSync(join(made, name), gzipSync(readFileSync(join(root, VIEWER, file)), { level: 9 }))
    }
    writeFileSync(join(made, LICENCES), licencesOf(output, join(root, VIEWER)))
    mkdirSync(folder, { recursive: true })
    for (const file of readdirSync(made)) renameSync(join(made, file), join(folder, file))
    finish(folder, wanted, [LICENCES, ...Object.keys(VIEWER_FILES), ...output.map(({ fileName }) => fileName)])
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
  return true
}

/**
 * Writes all other characters of a program as escapes. V8 keeps the text of a file with two bytes per character, twice
 * its size, if a single character is not in Latin-1. Afterwards a source map may name a neighbouring column of the line.
 *
 * @param {string} code without tagged templates that read their raw text
 */
export function inAscii(code) {
  return code.replace(/(\\*)([^\0-\x7f])/g, (_, backslashes, unit) => {
    const escaped = `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
    // `\ä` is the same as `ä`, but the backslash would escape that of the new escape.
    return backslashes.slice(backslashes.length % 2) + escaped
  })
}

/** @returns {boolean} whether dist/ has been made from the sources as they are now */
export function isBundled(root = repository) {
  return isUpToDate(join(root, 'dist'), fingerprintOf(root, BUNDLER_INPUTS))
}

/** @returns {string} identifies the modules in build/src/: it changes when any input changes */
export function fingerprint() {
  return readStamp(join(repository, 'build/src'))[0]
}

function requireTool(path, name) {
  if (!existsSync(path)) throw new Error(`${name} is not installed; run npm ci first`)
}

/** Relative to src/. Declarations have no output. */
function sourcesOf(root) {
  const files = readdirSync(join(root, 'src'), { recursive: true })
  return files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts')).sort()
}

/** Changes with the path, the size and the modification time of every input: no file is read. */
function fingerprintOf(root, settings) {
  const hash = createHash('sha256')
  for (const input of [...settings, ...sourcesOf(root).map((file) => join('src', file))]) {
    const { mtimeMs, size } = statSync(join(root, input))
    hash.update(`${input}\0${mtimeMs}\0${size}\n`)
  }
  return hash.digest('hex')
}

function isUpToDate(folder, wanted) {
  const [made, ...outputs] = readStamp(folder)
  return made === wanted && outputs.every((file) => existsSync(join(folder, file)))
}

function readStamp(folder) {
  const stamp = join(folder, STAMP)
  return existsSync(stamp) ? readFileSync(stamp, 'utf8').split('\n') : ['']
}

/** Removes what sources that were renamed or removed have left behind (nothing may import it any more), and marks the end. */
function finish(folder, made, outputs) {
  const known = new Set(outputs.flatMap((file) => [file, `${file}.map`]))
  for (const file of readdirSync(folder, { recursive: true })) {
    if (/\.js(\.map)?$/.test(file) && !known.has(file)) rmSync(join(folder, file))
  }
  writeFileSync(join(folder, STAMP), [made, ...outputs].join('\n'))
}

/**
 * The licence files of the packages of which the bundle contains a module.
 *
 * @param {string} viewer folder of a package whose files are copied
 */
function licencesOf(output, viewer) {
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  const packages = new Set(modules.map((id) => /^[^\0]*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]))
  const texts = []
  for (const folder of [viewer, ...packages].filter((each) => each !== undefined).sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const files = readdirSync(folder).filter((file) =>
      /^(licen[cs]e|copying|notice|swagger-ui-bundle\.js\.licen[cs]e)/i.test(file),
    )
    texts.push(
      [`${name} ${version} (${license})`, ...files.map((file) => readFileSync(join(folder, file), 'utf8'))].join(
        '\n\n',
      ),
    )
  }
  return `Packages in this folder's files, with their licences.\n\n${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}`
}

/** Builds, or ends the process with one sentence after the messages of the tool. */
export async function buildOrExit(step) {
  try {
    return await step()
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}

// npm may call this file by a link.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  await buildOrExit(process.argv[2] === 'modules' ? buildModules : bundle)
}
