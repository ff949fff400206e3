/**
 * Every setting, once: variable, default, and the sentence that documents it. (Limits, which no variable sets, are in
 * limits.ts.)
 *
 * `loadConfig` reads the environment and returns a frozen object. It rejects malformed, conflicting and unknown
 * variables with a sentence that says what to write. No other code of the project reads `process.env`.
 * docs/configuration.md is generated from `settings`.
 *
 * Add a setting only when the code behind it works: an operator who sets a variable must get what it promises.
 */

import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StartupError } from '../errors.ts'
import { type LimitOverrides, type Limits, withLimits } from './limits.ts'
import {
  type OutboundRoute,
  type Relay,
  readAllowPrivateNetworks,
  readDnsServers,
  readOutbound,
  readOutboundPort,
  readRelay,
} from './outbound-settings.ts'

const KIB = 1024
const MIB = 1024 * KIB

interface Setting {
  variable: string
  /** As shown in the documentation. */
  default: string
  sentence: string
}

export const settings = {
  dataDir: {
    variable: 'MARTLET_DATA_DIR',
    default: './data',
    sentence:
      'Folder for the SQLite database, large messages and the first API key (`root-key`), unless other settings replace these. With SQLite, only one process can use the folder.',
  },
  databaseUrl: {
    variable: 'MARTLET_DATABASE_URL',
    default: 'SQLite in the data folder',
    sentence:
      'PostgreSQL 15 to 18 as `postgres://user:password@host:5432/database`. Nodes that use the same database form one service and need the same `MARTLET_ROOT_KEY`, `MARTLET_DOMAIN` and `MARTLET_BLOBS_URL`.',
  },
  blobsUrl: {
    variable: 'MARTLET_BLOBS_URL',
    default: 'files in the data folder',
    sentence: 'Folder for large messages: `file:///folder`. All nodes of one service must share it.',
  },
  host: { variable: 'MARTLET_HOST', default: '127.0.0.1', sentence: 'Address on which HTTP and SMTP listen.' },
  httpPort: {
    variable: 'MARTLET_HTTP_PORT',
    default: '8080',
    sentence: 'Port for the HTTP API and WebSockets. `0`: any free port. `off`: no HTTP listener.',
  },
  smtpPort: {
    variable: 'MARTLET_SMTP_PORT',
    default: '2525',
    sentence: 'Port on which SMTP accepts mail for the inboxes (MX). `0`: any free port. `off`: no SMTP listener.',
  },
  domain: {
    variable: 'MARTLET_DOMAIN',
    default: 'mail.localhost',
    sentence: 'Shared domain. A new inbox gets an address in it if the client gives no domain.',
  },
  hostname: {
    variable: 'MARTLET_HOSTNAME',
    default: 'the domain',
    sentence: 'Name of this server in SMTP greetings, trace header fields and its certificate.',
  },
  publicUrl: {
    variable: 'MARTLET_PUBLIC_URL',
    default: 'http://<host>:<HTTP port>',
    sentence: 'Base URL of the links that clients receive (attachments, raw messages).',
  },
  rootKey: {
    variable: 'MARTLET_ROOT_KEY',
    default: 'generated at the first start',
    sentence:
      'API key for the whole organization, at least 20 characters. A new value replaces the old root key. Required with PostgreSQL.',
  },
  outbound: {
    variable: 'MARTLET_OUTBOUND',
    default: '`capture` if the domain ends in `.localhost`, otherwise `direct`',
    sentence:
      'Route of mail to other domains. `capture`: held in the queue. `direct`: sent to the mail servers of the domain (MX). `relay`: sent to the server of `MARTLET_RELAY_URL`.',
  },
  relay: {
    variable: 'MARTLET_RELAY_URL',
    default: 'none',
    sentence:
      'Relay for outgoing mail: `smtp://user:password@host:port` or `smtps://…`, user and password percent-encoded. `MARTLET_OUTBOUND=relay` requires it, and so does releasing held mail through a relay. The password is sent only over verified TLS, except to a loopback address.',
  },
  outboundPort: {
    variable: 'MARTLET_OUTBOUND_PORT',
    default: '25',
    sentence: 'Port of other mail servers, for the route `direct`.',
  },
  dnsServers: {
    variable: 'MARTLET_DNS_SERVERS',
    default: "the system's",
    sentence: 'DNS resolvers, such as `127.0.0.1:5353,[::1]:53`.',
  },
  allowPrivateNetworks: {
    variable: 'MARTLET_ALLOW_PRIVATE_NETWORKS',
    default: '`true` if `MARTLET_HOST` is a loopback address, otherwise `false`',
    sentence:
      'Whether mail servers of other domains and webhooks may have addresses in private or loopback networks. With `false`, strangers cannot make this server connect to others in its network. The relay is not checked.',
  },
  tlsCertFile: {
    variable: 'MARTLET_TLS_CERT',
    default: 'self-signed, generated at the first start',
    sentence: 'PEM file with the certificate chain for STARTTLS. Set it together with `MARTLET_TLS_KEY`.',
  },
  tlsKeyFile: {
    variable: 'MARTLET_TLS_KEY',
    default: 'self-signed, generated at the first start',
    sentence: 'PEM file with the private key of `MARTLET_TLS_CERT`.',
  },
  messageBytesMax: {
    variable: 'MARTLET_MESSAGE_BYTES_MAX',
    default: `${50 * MIB}`,
    sentence: 'Maximum size of a message, received or sent, in bytes.',
  },
  logLevel: {
    variable: 'MARTLET_LOG_LEVEL',
    default: 'info',
    sentence:
      'Lowest severity that is logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. On a terminal, `info` shows only warnings and errors; use `debug` to see more.',
  },
} as const satisfies Record<string, Setting>

export type Port = number | 'off'
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

export interface Config {
  readonly dataDir: string
  /** undefined: SQLite in the data folder. The URL contains a password: never show or log it. */
  readonly databaseUrl: string | undefined
  /** Folder for large messages. */
  readonly blobsDir: string
  readonly host: string
  /** 0: any free port. */
  readonly httpPort: Port
  readonly smtpPort: Port
  readonly domain: string
  readonly hostname: string
  /** Without trailing slash; undefined: derived from the host and the port that was opened. */
  readonly publicUrl: string | undefined
  readonly rootKey: string | undefined
  readonly outbound: OutboundRoute
  readonly relay: Relay | undefined
  readonly outboundPort: number
  /** In the form that node:dns accepts; undefined: the system's resolvers. */
  readonly dnsServers: readonly string[] | undefined
  readonly allowPrivateNetworks: boolean
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly messageBytesMax: number
  readonly logLevel: (typeof logLevels)[number]
  readonly limits: Limits
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * @param env     environment variables; an empty value counts as not set
 * @param limited limits that differ from their defaults
 * @throws StartupError with a sentence that says what to write
 */
export function loadConfig(env: Environment, limited: LimitOverrides = {}): Config {
  refuseUnknown(env)
  const read = (name: keyof typeof settings) => env[settings[name].variable] || undefined
  const domain = readDomain(settings.domain.variable, read('domain') ?? settings.domain.default)
  const hostname = read('hostname')
  const host = read('host') ?? settings.host.default
  const relay = readRelay(settings.relay.variable, read('relay'))

  const dataDir = resolve(read('dataDir') ?? settings.dataDir.default)
  const databaseUrl = readDatabaseUrl(read('databaseUrl'))

  return Object.freeze({
    dataDir,
    databaseUrl,
    blobsDir: readBlobsUrl(read('blobsUrl')) ?? join(dataDir, 'blobs'),
    host,
    httpPort: readPort(settings.httpPort.variable, read('httpPort') ?? settings.httpPort.default),
    smtpPort: readPort(settings.smtpPort.variable, read('smtpPort') ?? settings.smtpPort.default),
    domain,
    hostname: hostname === undefined ? domain : readDomain(settings.hostname.variable, hostname),
    publicUrl: readUrl(settings.publicUrl.variable, read('publicUrl')),
    rootKey: readRootKey(read('rootKey'), databaseUrl),
    outbound: readOutbound(settings.outbound.variable, read('outbound'), domain, relay),
    relay,
    outboundPort: readOutboundPort(
      settings.outboundPort.variable,
      read('outboundPort') ?? settings.outboundPort.default,
    ),
    dnsServers: readDnsServers(settings.dnsServers.variable, read('dnsServers')),
    allowPrivateNetworks: readAllowPrivateNetworks(
      settings.allowPrivateNetworks.variable,
      read('allowPrivateNetworks'),
      host,
    ),
    tls: readTls(read('tlsCertFile'), read('tlsKeyFile')),
    messageBytesMax: readBytes(
      settings.messageBytesMax.variable,
      read('messageBytesMax') ?? settings.messageBytesMax.default,
    ),
    logLevel: readLogLevel(read('logLevel') ?? settings.logLevel.default),
    limits: withLimits(limited),
  })
}

/** Rejects unknown variables, because a misspelt one would silently have no effect. */
function refuseUnknown(env: Environment): void {
  const known = new Set<string>(Object.values(settings).map((setting) => setting.variable))
  for (const variable of Object.keys(env)) {
    if (!variable.startsWith('MARTLET_') || known.has(variable)) continue
    // Kubernetes sets such variables for every Service named "martlet", so they must be accepted.
    if (/^MARTLET_(PORT($|_)|SERVICE_)/.test(variable)) continue
    throw new StartupError(`${variable} is not a setting of this version; remove it (docs/configuration.md lists all)`)
  }
}

function readPort(variable: string, value: string): Port {
  if (value === 'off') return 'off'
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN
  if (!(port <= 65_535)) throw new StartupError(`${variable}=${value}: write a port from 0 to 65535, or off`)
  return port
}

function readDomain(variable: string, value: string): string {
  const domain = value.toLowerCase()
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  if (domain.length > 253 || !new RegExp(`^${label}(\\.${label})*$`).test(domain)) {
    throw new StartupError(
      `${variable}=${value}: write a domain name such as mail.example.com (internationalized labels as xn--…)`,
    )
  }
  return domain
}

function readUrl(variable: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    throw new StartupError(`${variable}=${value}: write an http or https URL such as https://mail.example.com`)
  }
  return value.replace(/\/+$/, '')
}

function readDatabaseUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPostgres = url !== undefined && /^postgres(ql)?:$/.test(url.protocol)
  if (isPostgres && url.pathname.length > 1) return value
  // Never repeat the value: it contains a password, which may be the malformed part.
  throw new StartupError(
    `${settings.databaseUrl.variable}: write postgres://user:password@host:5432/database, with reserved characters ` +
      'percent-encoded; or leave it unset to use SQLite',
  )
}

function readBlobsUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isFolder =
    url?.protocol === 'file:' && url.host === '' && !url.search && !url.hash && /^file:\/\/\//i.test(value)
  if (isFolder) return fileURLToPath(url)
  throw new StartupError(
    `${settings.blobsUrl.variable}=${value}: write file:///folder, such as file:///srv/martlet/blobs`,
  )
}

function readRootKey(value: string | undefined, databaseUrl: string | undefined): string | undefined {
  if (value === undefined && databaseUrl !== undefined) {
    throw new StartupError(
      `${settings.rootKey.variable}: write 20 to 256 printable characters, the same on every node that uses ` +
        `${settings.databaseUrl.variable}; the nodes would not know a key that one of them generated`,
    )
  }
  // Never repeat the value: it is a secret.
  if (value !== undefined && !/^[\x21-\x7e]{20,256}$/.test(value)) {
    throw new StartupError(`${settings.rootKey.variable}: write 20 to 256 printable characters without spaces`)
  }
  return value
}

function readTls(certFile: string | undefined, keyFile: string | undefined): Config['tls'] {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile !== undefined && keyFile !== undefined) return { certFile: resolve(certFile), keyFile: resolve(keyFile) }
  throw new StartupError(`Set both ${settings.tlsCertFile.variable} and ${settings.tlsKeyFile.variable}, or neither`)
}

function readBytes(variable: string, value: string): number {
  const bytes = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
  if (!(bytes >= 64 * KIB && bytes <= 1024 * MIB)) {
    throw new StartupError(`${variable}=${value}: write a number of bytes from ${64 * KIB} to ${1024 * MIB}`)
  }
  return bytes
}

function readLogLevel(value: string): Config['logLevel'] {
  const level = logLevels.find((known) => known === value)
  if (!level) throw new StartupError(`${settings.logLevel.variable}=${value}: write one of ${logLevels.join(', ')}`)
  return level
}
