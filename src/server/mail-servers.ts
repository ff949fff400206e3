/** Where mail programs reach this server: as the settings say, or the hostname with the port that was opened. */
import { localHost } from '../config/listen-address.ts'
import type { Config } from '../config/settings.ts'
import type { MailServers } from '../edges/http/dialects/inboxai/wire/credentials-wire.ts'
import { isLocalhost } from '../host-name.ts'

/** The ports of the listeners; undefined: the listener is off, or not open yet. */
interface OpenPorts {
  readonly submission: number | undefined
  readonly imaps: number | undefined
}

/** @returns without a member for what mail programs cannot reach */
export function mailServersOf(
  config: Pick<Config, 'host' | 'hostname' | 'publicSmtp' | 'publicImap'>,
  { submission, imaps }: OpenPorts,
): MailServers {
  return {
    imap: config.publicImap ?? reachable(config, imaps),
    smtp: config.publicSmtp ?? reachable(config, submission),
  }
}

function reachable({ host, hostname }: Pick<Config, 'host' | 'hostname'>, port: number | undefined) {
  // Many systems do not resolve names below localhost.
  return port === undefined ? undefined : { host: isLocalhost(hostname) ? localHost(host) : hostname, port }
}
