/**
 * The virtual environment in which the Python programs of the documentation run. Its installation takes some seconds,
 * so it is kept below node_modules/.cache, one for each version of Python and of the package.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './imports.ts'

const INSTALL_MS = 120_000

let known: { readonly version: string | undefined } | undefined

/** Returns the version of python3; undefined if it is missing or cannot create virtual environments. */
function pythonVersion(): string | undefined {
  known ??= { version: readVersion() }
  return known.version
}

function readVersion(): string | undefined {
  const program = 'import ensurepip, platform, venv; print(platform.python_version())'
  const { status, stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/**
 * Returns the path of the `.venv` that a command creates. The command runs only if no earlier run has done the same.
 *
 * @param command creates `.venv` in the current folder and ends with `install NAME==VERSION`
 * @throws Error with the command's output if it fails
 */
export async function virtualEnvironment(command: string): Promise<string> {
  const [, name, version] = / install ([\w-]+)==([\w.]+)$/.exec(command) ?? []
  if (version === undefined) throw new Error(`"${command}" must end with install NAME==VERSION`)
  const folder = join(root, 'node_modules/.cache/martlet', `python-${pythonVersion()}-${name}-${version}`)
  if (!existsSync(folder)) await install(command, folder)
  return join(folder, '.venv')
}

/** As `virtualEnvironment`; skips the test where there is no Python, or no package index can be reached. */
export async function environmentOrSkip(skip: (why: string) => never, command: string): Promise<string> {
  if (pythonVersion() === undefined) skip('python3 with venv is not installed here')
  return virtualEnvironment(command).catch((error: unknown) => {
    if (isOffline(error)) skip('no package index of Python can be reached from here')
    throw error
  })
}

/** Whether an installation failed because no package index can be reached from here, or the index has no such package. */
function isOffline(error: unknown): boolean {
  const { stderr = '' } = error as { readonly stderr?: string }
  return /from versions: none|Failed to establish a new connection|Network is unreachable|timed out|ProxyError/i.test(
    stderr,
  )
}

/** Runs the command elsewhere and moves the result when it is complete: an interrupted run leaves nothing usable. */
async function install(command: string, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  const scratch = await mkdtemp(`${folder}-`)
  try {
    await promisify(execFile)('bash', ['-c', command], { cwd: scratch, timeout: INSTALL_MS })
    await rename(scratch, folder) // `python` works in the new place; `pip` contains the old path, and no test runs it
  } catch (error) {
    if (!existsSync(folder)) throw error // it exists if another run has installed it meanwhile
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
