/**
 * A private Postfix that delivers to a Maildir or to a next hop, for comparison in bench/inbound, bench/outbound and bench/submission.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSelfSigned } from '../src/net/self-signed.ts'
import { type Dovecot, startDovecotAuth } from '../test/support/dovecot-auth.ts'
import { idsOf, isPostfixThere, startPostfix } from '../test/support/postfix.ts'

export { isPostfixThere }

export interface BenchPostfix {
  readonly port: number
  readonly to: string
  /** The number of messages in the Maildir. */
  delivered(): number
  /** The number of messages that its log reports as sent. */
  sent(): number
  stop(): Promise<void>
}

export interface BenchPostfixOptions {
  /** Transport for mail to other domains, such as "smtp:[127.0.0.1]:2529"; without it, Postfix accepts none. */
  readonly nextHop?: string
  /** With it, clients log in as any user with this password, after STARTTLS: Dovecot checks it. */
  readonly password?: string
  /** Keeps what it accepts in its queue, and delivers nothing. */
  readonly isHeld?: boolean
}

/**
 * Starts Postfix. Everything that it writes is in a subfolder of the current folder, on the same disk as the server
 * that it is compared with.
 */
export async function startBenchPostfix(port: number, options: BenchPostfixOptions = {}): Promise<BenchPostfix> {
  const { nextHop, password, isHeld = false } = options
  const scratch = join(process.cwd(), mkdtempSync('.bench-postfix-'))
  const [folder, mail] = [join(scratch, 'postfix'), join(scratch, 'mail')]
  mkdirSync(mail)
  chmodSync(scratch, 0o755)
  const [uid, gid] = idsOf('nobody')
  chownSync(mail, uid, gid)
  const dovecot = password === undefined ? undefined : startDovecotAuth(join(scratch, 'dovecot'), password)
  const postfix = startPostfix({
    folder,
    port,
    hostname: 'bench.localhost',
    settings: {
      virtual_mailbox_domains: 'mail.localhost',
      virtual_mailbox_base: mail,
      virtual_mailbox_maps: 'static:box/',
      virtual_minimum_uid: '1',
      virtual_uid_maps: `static:${uid}`,
      virtual_gid_maps: `static:${gid}`,
      smtpd_client_connection_count_limit: '1000',
      default_process_limit: '200',
      smtpd_recipient_restrictions: 'permit_mynetworks, reject',
      ...(nextHop !== undefined && { default_transport: nextHop, default_destination_concurrency_limit: '100' }),
      ...(dovecot && (await saslSettings(scratch, dovecot))),
      ...(isHeld && { smtpd_end_of_data_restrictions: 'check_client_access static:HOLD' }),
    },
  })
  return {
    port,
    to: 'load@mail.localhost',
    sent: () => postfix.log().split('status=sent').length - 1,
    delivered: () => (existsSync(join(mail, 'box/new')) ? readdirSync(join(mail, 'box/new')).length : 0),
    async stop() {
      await postfix.stop()
      dovecot?.stop()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

async function saslSettings(scratch: string, { socket }: Dovecot): Promise<Record<string, string>> {
  const { cert, key } = await createSelfSigned({ hostname: 'bench.localhost', nowMs: Date.now() })
  const files = { cert: join(scratch, 'cert.pem'), key: join(scratch, 'key.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  return {
    mynetworks: '192.0.2.1', // no client is trusted
    ...{ smtpd_tls_cert_file: files.cert, smtpd_tls_key_file: files.key },
    ...{ smtpd_tls_security_level: 'encrypt', smtpd_tls_auth_only: 'yes' },
    ...{ smtpd_sasl_auth_enable: 'yes', smtpd_sasl_type: 'dovecot', smtpd_sasl_path: socket },
    smtpd_recipient_restrictions: 'permit_sasl_authenticated, reject',
  }
}
