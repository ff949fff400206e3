/**
 * Prints the banner on a terminal when the server is ready: addresses, the first key once, a command to try, and
 * warnings about file permissions.
 */
import { domainWarning } from '../config/setting-readers.ts'
import type { Config } from '../config/settings.ts'
import { rootKeyFile } from '../server/root-key-file.ts'
import type { Martlet } from '../server/start.ts'

export function printBanner(
  output: { write(text: string): unknown },
  config: Pick<Config, 'host' | 'domain' | 'dataDir' | 'rootKey' | 'outbound' | 'relay'>,
  martlet: Omit<Martlet, 'stop'>,
): void {
  const keyFile = rootKeyFile(config.dataDir)
  const keyHint = config.rootKey === undefined ? `in ${keyFile}` : 'as set in MARTLET_ROOT_KEY'
  // A shell expression, so that the command works when it is copied, and does not show the key a second time.
  const key = config.rootKey === undefined ? `$(cat '${keyFile}')` : '$MARTLET_ROOT_KEY'
  const lines = [
    'Martlet is ready.',
    '',
    `  API        ${martlet.url ?? 'off'}`,
    `  SMTP       ${martlet.smtpPort === undefined ? 'off' : `${config.host}:${martlet.smtpPort}`}`,
    `  Submission ${describePorts(config.host, martlet.submissionPort, martlet.submissionsPort)}`,
    `  IMAP       ${describePorts(config.host, martlet.imapPort, martlet.imapsPort)}`,
    `  Domain     ${config.domain}`,
    `  Data       ${config.dataDir}`,
    martlet.newKey === undefined
      ? `  API key    ${keyHint}`
      : `  API key    ${martlet.newKey}   (shown once; stored ${keyHint})`,
    `  Outbound   ${config.outbound}: mail to other domains ${describeRoute(config)}`,
    ...(martlet.isPaused ? ['  Paused     outbound mail and webhooks, until you run: martlet resume'] : []),
    '',
    ...(martlet.url === undefined
      ? []
      : ['Try:', `  curl -X POST ${martlet.url}/v0/inboxes -H "Authorization: Bearer ${key}"`, '']),
    ...warnOfDomain(config),
    ...warnOfExposed(martlet.exposed),
    'Press Ctrl-C to stop.',
    '',
  ]
  output.write(lines.join('\n'))
}

function describePorts(host: string, startTls: number | undefined, tls: number | undefined): string {
  const ports = [
    ...(startTls === undefined ? [] : [`${host}:${startTls} (STARTTLS)`]),
    ...(tls === undefined ? [] : [`${host}:${tls} (TLS)`]),
  ]
  return ports.length === 0 ? 'off' : ports.join(', ')
}

function warnOfDomain(config: Pick<Config, 'domain'>): string[] {
  const warning = domainWarning(config)
  return warning === undefined ? [] : [`Warning: ${warning}.`, '']
}

function warnOfExposed(exposed: Martlet['exposed']): string[] {
  if (exposed.length === 0) return []
  return [
    'Warning: other users of this machine can read or change the data. To prevent this, run:',
    ...exposed.map(({ fix, mode }) => `  ${fix}   # its mode is ${mode}`),
    '',
  ]
}

function describeRoute({ outbound, relay }: Pick<Config, 'outbound' | 'relay'>): string {
  if (outbound === 'capture') return 'is held in the queue and not sent'
  return outbound === 'direct' ? 'is sent to their mail servers' : `is sent to ${relay?.host}:${relay?.port}`
}
