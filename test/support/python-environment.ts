/**
 * The virtual environment in which the Python programs of the documentation run, packages that a test adds to it, and
 * environments of programs that tests use. Half of an installation is pip itself (3 s of CPU time), so only the first
 * environment has it, and installs into the others. All are kept below node_modules/.cache, for each version of Python and
 * of the package.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { root, textOf } from './imports.ts'
import { type Block, blocksOf } from './page-blocks.ts'
import { isRunning } from './test-folders.ts'

const INSTALL_MS = 120_000
/** Python compiles what a test imports; the rest takes a second. pip wants a false value for an option that begins with "no". */
const PIP_SETTINGS = { PIP_NO_COMPILE: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' }

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

/** Whether the README installs this package. */
export function isInReadme(requirement: string): boolean {
  return readmeInstallation().endsWith(` ${requirement}`)
}

/** Returns the command of the README that creates a virtual environment with its package for Python. */
function readmeInstallation(): string {
  const isOfPython = ({ heading, language }: Block) => heading === 'In Python' && language === 'sh'
  const [command] = blocksOf(textOf('README.md')).find(isOfPython)!.text.split('\n')
  return command!
}

/**
 * Returns the path of the `.venv` that a command creates. The command runs only if no earlier run has done the same.
 *
 * @param command creates `.venv` in the current folder and ends with `install NAME==VERSION`
 * @throws Error with the command's output if it fails
 */
export function virtualEnvironment(command: string): Promise<string> {
  const [, requirement] = / install ([\w-]+==[\w.]+)$/.exec(command) ?? []
  if (requirement === undefined) throw new Error(`"${command}" must end with install NAME==VERSION`)
  return installed(requirement, '.venv', command)
}

/**
 * Returns a folder for PYTHONPATH with one package without its dependencies, which must be in the environment. It hides
 * another version of the package there.
 *
 * @param environment path of a `.venv`
 * @param requirement NAME==VERSION
 */
export function packageFolder(environment: string, requirement: string): Promise<string> {
  const python = join(environment, 'bin/python') // its `pip` contains the path where it was made
  return installed(requirement, 'packages', `${python} -m pip -q install --no-deps --target packages ${requirement}`)
}

/** Returns the path of a `.venv` without pip that has these packages and their dependencies. The last one names it. */
async function environmentOf(requirements: readonly string[]): Promise<string> {
  const pip = `${join(await virtualEnvironment(readmeInstallation()), 'bin/python')} -m pip --python .venv/bin/python`
  const command = `python3 -m venv --without-pip .venv && ${pip} -q install ${requirements.join(' ')}`
  return installed(requirements.at(-1)!, '.venv', command)
}

/** Returns the environment of the README; skips the test where there is no Python, or no package index can be reached. */
export async function readmeEnvironmentOrSkip(skip: (why: string) => never): Promise<string> {
  if (pythonVersion() === undefined) skip('python3 with venv is not installed here')
  return orSkip(skip, virtualEnvironment(readmeInstallation()))
}

/**
 * Returns the path of a `.venv` without pip that has these packages; skips the test as `readmeEnvironmentOrSkip` does.
 *
 * @param requirements NAME==VERSION
 */
export async function environmentOrSkip(
  skip: (why: string) => never,
  ...requirements: readonly string[]
): Promise<string> {
  if (pythonVersion() === undefined) skip('python3 with venv is not installed here')
  return orSkip(skip, environmentOf(requirements))
}

/** As `packageFolder`; skips the test where no package index can be reached. */
export function packageFolderOrSkip(
  skip: (why: string) => never,
  environment: string,
  requirement: string,
): Promise<string> {
  return orSkip(skip, packageFolder(environment, requirement))
}

function orSkip(skip: (why: string) => never, installation: Promise<string>): Promise<string> {
  return installation.catch((error: unknown) => {
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

/** Returns the path of what the command creates. It runs only if no earlier run has done the same. */
async function installed(requirement: string, created: string, command: string): Promise<string> {
  const name = ['python', pythonVersion(), ...requirement.split('=='), ...(created === '.venv' ? [] : [created])].join(
    '-',
  )
  const folder = join(root, 'node_modules/.cache/martlet', name)
  await mkdir(dirname(folder), { recursive: true })
  while (!existsSync(folder)) {
    if (await lock(`${folder}.lock`)) await install(command, folder).finally(() => rm(`${folder}.lock`))
    else await sleep(100)
  }
  return join(folder, created)
}

/** Whether this process may install: another one that does has its process id in the file. */
async function lock(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const owner = Number(await readFile(file, 'utf8').catch(() => ''))
  if (owner > 0 && !isRunning(owner)) await rm(file, { force: true }) // it was killed
  return false
}

/** Runs the command elsewhere and moves the result when it is complete: an interrupted run leaves nothing usable. */
async function install(command: string, folder: string): Promise<void> {
  if (existsSync(folder)) return // since before the lock
  const scratch = await mkdtemp(`${folder}-`)
  try {
    await promisify(execFile)('bash', ['-c', command], {
      cwd: scratch,
      env: { ...process.env, ...PIP_SETTINGS },
      timeout: INSTALL_MS,
    })
    await rename(scratch, folder) // `python` works in the new place; `pip` contains the old path, and no test runs it as a program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
