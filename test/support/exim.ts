/**
 * A private Exim, unpacked from Debian's packages, with its own configuration, spool and log. Debian's Exim wants a user of its name:
 * nss_wrapper shows it one, with the id of an unprivileged user, so nothing is installed and no root is needed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { outputOf } from './process-output.ts'

export const EXIM_PACKAGES = ['exim4-daemon-light', 'exim4-base', 'libnss-wrapper']

export interface Exim {
  readonly port: number
  /** Everything that it has logged. */
  log(): string
  stop(): Promise<void>
}

export interface EximOptions {
  /** The files of EXIM_PACKAGES (debian-packages.ts). */
  readonly files: string
  /** Does not exist yet; removed by `stop`. Other users must be able to enter the folders above it. */
  readonly folder: string
  readonly port: number
  readonly hostname: string
  /** ACLs, routers, transports and retry rules. */
  readonly configuration: string
}

const NOBODY = 65_534

export async function startExim({ files, folder, port, hostname, configuration }: EximOptions): Promise<Exim> {
  const isRoot = process.getuid!() === 0
  // Exim refuses to be root.
  const [uid, gid] = isRoot ? [NOBODY, NOBODY] : [process.getuid!(), process.getgid!()]
  const [spool, exim, config] = [join(folder, 'spool'), join(folder, 'exim'), join(folder, 'exim.conf')]
  for (const each of [folder, spool]) mkdirSync(each)
  copyFileSync(join(files, 'usr/sbin/exim4'), exim)
  chmodSync(exim, 0o755) // Debian's has the set-user-ID bit
  writeFileSync(
    config,
    [
      ...[`primary_hostname = ${hostname}`, `spool_directory = ${spool}`, `log_file_path = ${folder}/%slog`],
      ...[`pid_file_path = ${folder}/exim.pid`, `exim_path = ${exim}`, 'local_interfaces = 127.0.0.1'],
      ...[
        `daemon_smtp_ports = ${port}`,
        'never_users =',
        'keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP',
        'dkim_verify_signers =',
        'tls_advertise_hosts =',
      ],
      configuration,
    ].join('\n'),
  )
  const [passwd, group] = [join(folder, 'passwd'), join(folder, 'group')]
  writeFileSync(passwd, `root:x:0:0::/:/bin/sh\nDebian-exim:x:${uid}:${gid}::/:/bin/false\n`)
  writeFileSync(group, `root:x:0:\nDebian-exim:x:${gid}:\n`)
  if (isRoot) for (const each of [folder, spool, exim, config]) chownSync(each, uid, gid)

  const library = join(folder, 'libnss_wrapper.so') // the checkout may be in a folder that others cannot read
  const [machine] = readdirSync(join(files, 'usr/lib')).filter((name) => name.includes('-linux-'))
  copyFileSync(join(files, 'usr/lib', machine!, 'libnss_wrapper.so'), library)
  const child = spawn(exim, ['-C', config, '-bdf', '-q1s'], {
    ...(isRoot && { uid, gid }),
    env: { LD_PRELOAD: library, NSS_WRAPPER_PASSWD: passwd, NSS_WRAPPER_GROUP: group },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // the daemon, its queue runners and its deliveries form one process group
  })
  const errors = outputOf(child.stderr!)
  const exited = once(child, 'exit')
  const log = () => ['mainlog', 'paniclog'].map((name) => textOf(join(folder, name))).join('')
  const isReady = () => log().includes('daemon started')
  while (!isReady()) {
    if (child.exitCode !== null) throw new Error(`Exim does not start: ${errors.text()}${log()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    port,
    log,
    async stop() {
      // SIGTERM ends only the daemon: a delivery that still runs would write into the folder while it is removed.
      process.kill(-child.pid!, 'SIGKILL')
      await exited
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }) // the others end a moment later
    },
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
