/**
 * A private Postfix that delivers to Maildirs or to a next hop, for comparison in bench/inbound and bench/outbound.
 * Needs an installed Postfix, and root.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

export interface Postfix {
  readonly port: number
  readonly to: string
  /** The number of messages in the Maildir. */
  delivered(): number
  /** The number of messages that its log reports as sent. */
  sent(): number
  stop(): void
}

export function isPostfixThere(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/sbin/postfix')
}

/**
 * Starts Postfix. Everything that it writes is in a subfolder of the current folder, on the same disk as the server
 * that it is compared with.
 *
 * @param nextHop transport for mail to other domains, such as "smtp:[127.0.0.1]:2529"; without it, Postfix accepts none
 */
export function startPostfix(port: number, nextHop?: string): Postfix {
  const root = join(process.cwd(), mkdtempSync('.bench-postfix-'))
  chmodSync(root, 0o755)
  const [config, queue, data, mail] = ['config', 'queue', 'data', 'mail'].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const folder of [config, queue, data, mail]) mkdirSync(folder)
  const ids = (user: string) =>
    ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user]).toString())) as [number, number]
  const [uid, gid] = ids('postfix')
  chownSync(data, uid, gid)
  const [vuid, vgid] = ids('nobody')
  chownSync(mail, vuid, vgid)
  const settings = {
    compatibility_level: '3.6',
    queue_directory: queue,
    data_directory: data,
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    myhostname: 'bench.localhost',
    mydestination: '',
    mynetworks: '127.0.0.0/8',
    virtual_mailbox_domains: 'mail.localhost',
    virtual_mailbox_base: mail,
    virtual_mailbox_maps: `static:box/`,
    virtual_minimum_uid: '1',
    virtual_uid_maps: `static:${vuid}`,
    virtual_gid_maps: `static:${vgid}`,
    smtpd_client_connection_count_limit: '1000',
    default_process_limit: '200',
    maillog_file: join(root, 'log'),
    maillog_file_prefixes: root,
    smtpd_recipient_restrictions: 'permit_mynetworks, reject',
    smtpd_peername_lookup: 'no',
    ...(nextHop !== undefined && { default_transport: nextHop, default_destination_concurrency_limit: '100' }),
  }
  writeFileSync(
    join(config, 'main.cf'),
    `${Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}`)
      .join('\n')}\n`,
  )
  const master = readFileSync('/etc/postfix/master.cf', 'utf8')
    .replace(/^smtp\s+inet\s.*$/m, `127.0.0.1:${port} inet n - n - - smtpd`)
    .replace(/^(\S+\s+\S+\s+\S+\s+\S+\s+)y(\s)/gm, '$1n$2') // no chroot
  writeFileSync(
    join(config, 'master.cf'),
    master.includes('postlog') ? master : `${master}\npostlog unix-dgram n - n - 1 postlogd\n`,
  )
  writeFileSync(join(config, 'dynamicmaps.cf'), '')
  execFileSync('/usr/sbin/postfix', ['-c', config, 'start'], { stdio: 'inherit' })
  return {
    port,
    to: 'load@mail.localhost',
    sent: () => readFileSync(join(root, 'log'), 'utf8').split('status=sent').length - 1,
    delivered: () => (existsSync(join(mail, 'box/new')) ? readdirSync(join(mail, 'box/new')).length : 0),
    stop() {
      execFileSync('/usr/sbin/postfix', ['-c', config, 'stop'], { stdio: 'inherit' })
      rmSync(root, { recursive: true, force: true })
    },
  }
}
