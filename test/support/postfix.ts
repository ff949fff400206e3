/**
 * A private Postfix, with its own configuration, queue and log: for tests, and for comparison in bench/. It reads nothing below
 * /etc. Needs an installed Postfix, and root, because its master changes to the users `postfix` and `nobody`.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

export interface Postfix {
  readonly port: number
  /** Everything that it has logged. */
  log(): string
  stop(): Promise<void>
}

export interface PostfixOptions {
  /** Does not exist yet; removed by `stop`. */
  readonly folder: string
  readonly port: number
  readonly hostname: string
  /** Added to main.cf. */
  readonly settings?: Readonly<Record<string, string>>
  /** Added to master.cf. */
  readonly services?: string
  /** Called before the start, when the folder exists. */
  readonly prepare?: (folder: string) => void
}

export function isPostfixThere(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/sbin/postfix')
}

/** User and group id. */
export function idsOf(user: string): [number, number] {
  return ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user]).toString())) as [number, number]
}

/** The daemons of a server that sends and receives, without chroot. */
const SERVICES = [
  ...['pickup unix n - n 60 1 pickup', 'cleanup unix n - n - 0 cleanup', 'qmgr unix n - n 300 1 qmgr'],
  ...['tlsmgr unix - - n 1000? 1 tlsmgr', 'rewrite unix - - n - - trivial-rewrite', 'bounce unix - - n - 0 bounce'],
  ...['defer unix - - n - 0 bounce', 'trace unix - - n - 0 bounce', 'verify unix - - n - 1 verify'],
  ...['flush unix n - n 1000? 0 flush', 'proxymap unix - - n - - proxymap', 'smtp unix - - n - - smtp'],
  ...['relay unix - - n - - smtp', 'showq unix n - n - - showq', 'error unix - - n - - error'],
  ...['retry unix - - n - - error', 'discard unix - - n - - discard', 'virtual unix - n n - - virtual'],
  ...['anvil unix - - n - 1 anvil', 'scache unix - - n - 1 scache', 'postlog unix-dgram n - n - 1 postlogd'],
].join('\n')

export function startPostfix({ folder, port, hostname, settings, services = '', prepare }: PostfixOptions): Postfix {
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  const [config, queue, data] = ['config', 'queue', 'data'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [config, queue, data]) mkdirSync(each)
  chownSync(data, ...idsOf('postfix'))
  prepare?.(folder)
  const all = {
    compatibility_level: '3.6',
    queue_directory: queue,
    data_directory: data,
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    myhostname: hostname,
    mydestination: '',
    mynetworks: '127.0.0.0/8',
    alias_maps: '',
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    smtpd_peername_lookup: 'no',
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`)
  writeFileSync(join(config, 'main.cf'), lines.join(''))
  writeFileSync(join(config, 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd\n${SERVICES}\n${services}\n`)
  writeFileSync(join(config, 'dynamicmaps.cf'), '')
  const control = (command: string) => execFileSync('/usr/sbin/postfix', ['-c', config, command], { stdio: 'ignore' })
  const log = () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  try {
    control('start')
  } catch (error) {
    throw new Error(`Postfix does not start: ${log()}`, { cause: error })
  }
  return {
    port,
    log,
    async stop() {
      // `postfix stop` ends the master and checks once per second whether it has gone; its daemons may write into the folder even then.
      // All of them form one process group.
      process.kill(-Number(readFileSync(join(queue, 'pid/master.pid'), 'utf8')), 'SIGKILL')
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }) // they end a moment later
    },
  }
}
