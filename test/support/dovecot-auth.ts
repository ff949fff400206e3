/**
 * A private Dovecot that only checks passwords, for the SASL of a Postfix. It reads nothing below /etc. Needs an installed Dovecot,
 * and root.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Dovecot {
  /** For `smtpd_sasl_path`. */
  readonly socket: string
  stop(): void
}

export function isDovecotThere(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/sbin/dovecot')
}

/**
 * @param folder does not exist yet; removed by `stop`
 * @param password that of every user
 */
export function startDovecotAuth(folder: string, password: string): Dovecot {
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  const [config, socket, log] = [join(folder, 'dovecot.conf'), join(folder, 'auth'), join(folder, 'log')]
  writeFileSync(
    config,
    `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${log}
protocols =
ssl = no
auth_mechanisms = plain login
default_login_user = nobody
passdb {
  driver = static
  args = password=${password}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  unix_listener ${socket} {
    mode = 0666
  }
}
`,
  )
  // The daemon keeps the files that it inherits: with a pipe, this would wait for its end.
  const run = (...args: string[]) => spawnSync('/usr/sbin/dovecot', ['-c', config, ...args], { stdio: 'ignore' }).status
  if (run() !== 0) throw new Error(`Dovecot does not start: ${existsSync(log) ? readFileSync(log, 'utf8') : ''}`)
  return {
    socket,
    stop() {
      run('stop')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
