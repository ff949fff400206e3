/**
 * A Dovecot of one's own, on loopback, with one user and a Maildir in a temporary folder: for comparisons with an independent IMAP
 * server. Nothing of the machine's configuration is read.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'

export interface Dovecot extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly user: string
  readonly password: string
}

export function hasDovecot(): boolean {
  return spawnSync('dovecot', ['--version']).status === 0
}

/** @param messages put into INBOX in this order: UIDs 1, 2, 3 … */
export async function startDovecot(messages: readonly Buffer[] = []): Promise<Dovecot> {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-dovecot-'))
  await chmod(folder, 0o755)
  const port = await freePort()
  const login = { user: 'ann', password: 'secret' }
  const mail = join(folder, 'mail')
  for (const name of ['cur', 'new', 'tmp']) await mkdir(join(mail, name), { recursive: true })
  await Promise.all(
    messages.map((bytes, index) =>
      // Dovecot orders new files by the time and the sequence in their names.
      writeFile(join(mail, 'cur', `${1_700_000_000 + index}.M${index}.host:2,`), bytes),
    ),
  )
  await writeFile(join(folder, 'dovecot.conf'), configuration(folder, port))
  const { uid, gid } = mailUser()
  await writeFile(join(folder, 'users'), `${login.user}:{PLAIN}${login.password}:${uid}:${gid}::${folder}::\n`)
  execFileSync('chown', ['-R', `${uid}:${gid}`, mail])
  const child = spawn('dovecot', ['-F', '-c', join(folder, 'dovecot.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  const errors: string[] = []
  child.stderr.on('data', (chunk) => errors.push(String(chunk)))
  const exited = once(child, 'exit')
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Error(`Dovecot did not start: ${errors.join('')}`)
    await pause(25)
  }
  return {
    port,
    pid: child.pid!,
    ...login,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }) // its other processes end a moment later
    },
  }
}

/** Dovecot refuses to open mail as root. */
function mailUser(): { uid: number; gid: number } {
  const { uid, gid } = userInfo()
  if (uid !== 0) return { uid, gid }
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function configuration(folder: string, port: number): string {
  return `
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = ${folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
default_vsz_limit = 0
mail_location = maildir:${folder}/mail
namespace inbox {
  inbox = yes
  separator = /
}
listen = 127.0.0.1
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = passwd-file
  args = ${folder}/users
}
mail_max_userip_connections = 0
`
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
