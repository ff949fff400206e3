/**
 * Every setting, once: variable, default, the description, and the function that reads it. (Limits, which no
 * variable sets, are in limits.ts.)
 *
 * `loadConfig` reads the environment and returns a frozen object. It rejects malformed, conflicting and unknown
 * variables with a sentence that says what to write. No other code of the project reads `process.env`.
 * docs/configuration.md is generated from `settings`.
 *
 * Add a setting only when the code behind it works: an operator who sets a variable must get what it promises.
 */
import { join, resolve } from 'node:path'
import { StartupError } from '../errors.ts'
import { clientSettings } from './client-settings.ts'
import { MIB } from './limits/limit.ts'
import { type LimitOverrides, type Limits, withLimits } from './limits.ts'
import {
  type KnownSettings,
  type Relay,
  readAllowPrivateNetworks,
  readDnsServers,
  readOutbound,
  readOutboundPort,
  readRelay,
} from './outbound-settings.ts'
import { receivingSettings } from './receiving-settings.ts'
import { derived, fixed, type Setting } from './setting.ts'
import { createErrorList, type ErrorList } from './setting-errors.ts'
import {
  parseRootKey,
  readBlobsUrl,
  readCountOrOff,
  readDatabaseUrl,
  readDomain,
  readDuration,
  readLogLevel,
  readMailServer,
  readMessageBytes,
  readOneOf,
  readOnOff,
  readPath,
  readPort,
  readSignUp,
  readSpfTerm,
  readTrustedProxies,
  readUrl,
} from './setting-readers.ts'
import { similarName } from './similar-name.ts'

export const settings = {
  dataDir: fixed({
    variable: 'MARTLET_DATA_DIR',
    default: './data',
    description:
      'Folder for the SQLite database, large messages and the first API key (`root-key`), unless other settings replace these. With SQLite, only one process can use the folder.',
    read: (value) => resolve(value),
  }),
  /** The URL contains a password: never show or log it. */
  databaseUrl: derived({
    variable: 'MARTLET_DATABASE_URL',
    default: 'SQLite in the data folder',
    description:
      'PostgreSQL 15 to 18 as `postgres://user:password@host:5432/database`. Nodes that use the same database form one service and need the same `MARTLET_ROOT_KEY`, `MARTLET_DOMAIN` and `MARTLET_BLOBS_URL`.',
    read: readDatabaseUrl,
  }),
  blobsUrl: derived({
    variable: 'MARTLET_BLOBS_URL',
    default: 'files in the data folder',
    description:
      'Folder for large messages: `file:///folder`. All nodes of one service must share it, and no other server may: each deletes files that its database does not know.',
    read: readBlobsUrl,
  }),
  host: fixed({
    variable: 'MARTLET_HOST',
    default: '127.0.0.1',
    description: 'Address on which all ports listen. Outgoing mail leaves from the address that the system chooses.',
    read: (value) => value,
  }),
  httpPort: fixed({
    variable: 'MARTLET_HTTP_PORT',
    default: '8080',
    description: 'Port for the HTTP API and WebSockets. `0`: any free port. `off`: no HTTP listener.',
    read: readPort,
  }),
  smtpPort: fixed({
    variable: 'MARTLET_SMTP_PORT',
    default: '2525',
    description: 'Port on which SMTP accepts mail for the inboxes (MX). `0`: any free port. `off`: no SMTP listener.',
    read: readPort,
  }),
  submissionPort: fixed({
    variable: 'MARTLET_SUBMISSION_PORT',
    default: '2587',
    description:
      'Port on which mail programs submit mail, with STARTTLS. Outside, it is 587. `0`: any free port. `off`: no such listener.',
    read: readPort,
  }),
  submissionsPort: fixed({
    variable: 'MARTLET_SUBMISSIONS_PORT',
    default: '2465',
    description:
      'Port on which mail programs submit mail over TLS from the first byte. Outside, it is 465. `0`: any free port. `off`: no such listener.',
    read: readPort,
  }),
  imapPort: fixed({
    variable: 'MARTLET_IMAP_PORT',
    default: '2143',
    description:
      'Port on which mail programs read mail (IMAP), with STARTTLS. Outside, it is 143. `0`: any free port. `off`: no such listener.',
    read: readPort,
  }),
  imapsPort: fixed({
    variable: 'MARTLET_IMAPS_PORT',
    default: '2993',
    description:
      'Port on which mail programs read mail (IMAP) over TLS from the first byte. Outside, it is 993. `0`: any free port. `off`: no such listener.',
    read: readPort,
  }),
  imapPlainLoopback: fixed({
    variable: 'MARTLET_IMAP_PLAIN_LOOPBACK',
    default: 'off',
    description: 'Whether programs on the same machine may log in to IMAP without TLS: `on` or `off`.',
    read: readOnOff,
  }),
  domain: fixed({
    variable: 'MARTLET_DOMAIN',
    default: 'mail.localhost',
    description: 'Shared domain. A new inbox gets an address in it if the client gives no domain.',
    read: readDomain,
  }),
  hostname: derived({
    variable: 'MARTLET_HOSTNAME',
    default: 'the domain',
    description: 'Name of this server in SMTP greetings, trace header fields and its certificate.',
    read: (value, variable, { domain }) => (value === undefined ? domain : readDomain(value, variable)),
  }),
  /** Without trailing slash; undefined: derived from the host and the port that was opened. */
  publicUrl: derived({
    variable: 'MARTLET_PUBLIC_URL',
    default: 'http://<host>:<HTTP port>',
    description: 'Base URL of the links that clients receive (attachments, raw messages).',
    read: readUrl,
  }),
  /** undefined: derived from the hostname and the port that was opened. */
  publicSmtp: derived({
    variable: 'MARTLET_PUBLIC_SMTP',
    default: '`<hostname>:<submission port>`; `<host>:<submission port>` if the hostname ends in `.localhost`',
    description:
      'Where mail programs reach the port with STARTTLS, such as `mail.example.com:587`. Clients of inboxai receive it with the password of a new inbox.',
    read: readMailServer,
  }),
  /** undefined: derived from the hostname and the port that was opened. */
  publicImap: derived({
    variable: 'MARTLET_PUBLIC_IMAP',
    default: '`<hostname>:<IMAPS port>`; `<host>:<IMAPS port>` if the hostname ends in `.localhost`',
    description:
      'Where mail programs reach the IMAP port with TLS from the first byte, such as `mail.example.com:993`. Clients of inboxai receive it with the password of a new inbox.',
    read: readMailServer,
  }),
  /** A secret: never show or log it. */
  rootKey: derived({
    variable: 'MARTLET_ROOT_KEY',
    default: 'generated at the first start',
    description:
      'API key for the whole organization, at least 20 characters. A new value replaces the old root key. Required with PostgreSQL.',
    read: parseRootKey,
  }),
  signUp: derived({
    variable: 'MARTLET_SIGN_UP',
    default: '`on` if the domain ends in `.localhost`, otherwise `off`',
    description:
      'Whether agents can sign up without a key: each gets an organization and an inbox in the shared domain. `on` or `off`.',
    read: readSignUp,
  }),
  trustedProxies: derived({
    variable: 'MARTLET_TRUSTED_PROXIES',
    default: 'none',
    description:
      'Addresses and ranges of your reverse proxies, such as `127.0.0.1,10.0.0.0/8`. Only they can say for which client they forward a request (`X-Forwarded-For`). Set it behind a proxy: otherwise all clients count as one in the limits of sign-ups.',
    read: readTrustedProxies,
  }),
  ...clientSettings,
  ...receivingSettings,
  threadRepliesMax: fixed({
    variable: 'MARTLET_THREAD_REPLIES',
    default: '20',
    description:
      'Replies that an inbox may send in one thread within an hour. Further ones are held until they are released, so that two agents that answer each other stop. `off`: no limit.',
    read: readCountOrOff,
  }),
  outbound: derived({
    variable: 'MARTLET_OUTBOUND',
    default: '`capture` if the domain ends in `.localhost`, otherwise `direct`',
    description:
      'Route of mail to other domains. `capture`: held in the queue. `direct`: sent to the mail servers of the domain (MX). `relay`: sent to the server of `MARTLET_RELAY_URL`.',
    read: readOutbound,
  }),
  relay: derived({
    variable: 'MARTLET_RELAY_URL',
    default: 'none',
    description:
      'Relay for outgoing mail: `smtp://user:password@host:port` or `smtps://…`, user and password percent-encoded. `MARTLET_OUTBOUND=relay` requires it, and so does releasing held mail through a relay. The password is sent only over verified TLS, except to a loopback address.',
    read: readRelay,
  }),
  outboundPort: fixed({
    variable: 'MARTLET_OUTBOUND_PORT',
    default: '25',
    description: 'Port of other mail servers, for the route `direct`.',
    read: readOutboundPort,
  }),
  /** In the form that node:dns accepts. */
  dnsServers: derived({
    variable: 'MARTLET_DNS_SERVERS',
    default: "the system's",
    description: 'DNS resolvers, such as `127.0.0.1:5353,[::1]:53`.',
    read: readDnsServers,
  }),
  allowPrivateNetworks: derived({
    variable: 'MARTLET_ALLOW_PRIVATE_NETWORKS',
    default: '`true` if `MARTLET_HOST` is a loopback address, otherwise `false`',
    description:
      'Whether mail servers of other domains, webhooks and the URLs of attachments may have addresses in private or loopback networks. With `false`, strangers cannot make this server connect to others in its network. The relay is not checked.',
    read: readAllowPrivateNetworks,
  }),
  /** undefined: SPF records of domains are not checked. */
  spfTerm: derived({
    variable: 'MARTLET_SPF_TERM',
    default: '`a:` and the hostname; none with the route `relay`',
    description:
      'The mechanism that the SPF record of a verified domain must contain, such as `include:_spf.relay.example`: it must permit the servers from which our mail arrives.',
    read: readSpfTerm,
  }),
  domainGraceMs: fixed({
    variable: 'MARTLET_DOMAIN_GRACE',
    default: '7d',
    description:
      'How long a verified domain that loses its DNS records is used: hours or days, such as `12h` or `7d`. Then mail to it and from it stops.',
    read: readDuration,
  }),
  tlsCertFile: derived({
    variable: 'MARTLET_TLS_CERT',
    default: 'self-signed, generated at the first start',
    description:
      'PEM file with the certificate chain for SMTP, submission and IMAP. Set it together with `MARTLET_TLS_KEY`.',
    read: readPath,
  }),
  tlsKeyFile: derived({
    variable: 'MARTLET_TLS_KEY',
    default: 'self-signed, generated at the first start',
    description: 'PEM file with the private key of `MARTLET_TLS_CERT`.',
    read: readPath,
  }),
  messageBytesMax: fixed({
    variable: 'MARTLET_MESSAGE_BYTES_MAX',
    default: `${50 * MIB}`,
    description: 'Maximum size of a message, received or sent, in bytes.',
    read: readMessageBytes,
  }),
  senderVerification: fixed({
    variable: 'MARTLET_SENDER_VERIFICATION',
    default: 'on',
    description:
      'Whether clients learn that a sender is verified (`SenderVerified` of Assmbl, and filters for it). `off`: no sender is, whatever its authentication says.',
    read: readOnOff,
  }),
  senderChallenges: fixed({
    variable: 'MARTLET_SENDER_CHALLENGES',
    default: 'off',
    description:
      'Whether a sender whom no domain confirms is mailed a link with which it confirms that it wrote a message. `off`: never. `inboxes`: for inboxes with `challenge_senders: true`. `all`: for all inboxes but those with `challenge_senders: false`. Needs `MARTLET_PUBLIC_URL`.',
    read: readOneOf('off', 'inboxes', 'all'),
  }),
  logLevel: fixed({
    variable: 'MARTLET_LOG_LEVEL',
    default: 'info',
    description:
      'Lowest severity that is logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. `info` includes one line per message and per delivery. Lines are JSON, and plain text on a terminal.',
    read: readLogLevel,
  }),
}

type Settings = typeof settings
type Values = { readonly [Name in keyof Settings]: ReturnType<Settings[Name]['read']> }

/** The values of all settings. If one is undefined, the `default` of its setting says what applies. */
export interface Config extends Omit<Values, 'blobsUrl' | 'tlsCertFile' | 'tlsKeyFile'> {
  /** Folder for large messages. */
  readonly blobsDir: string
  /** undefined: a self-signed certificate. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly limits: Limits
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * @param env     environment variables; an empty value counts as not set
 * @param changes limits that differ from their defaults
 * @throws StartupError with a sentence that says what to write
 */
export function loadConfig(env: Environment, changes: LimitOverrides = {}): Config {
  const errors = createErrorList()
  errors.add(unknownVariables(env))
  const { blobsUrl, tlsCertFile, tlsKeyFile, ...values } = readAll(env, errors)
  const tls = errors.collect(() => certificateFiles(tlsCertFile, tlsKeyFile))
  errors.collect(() => requireDifferentPorts(values))
  errors.collect(() => requireTlsForMtaSts(values, tls))
  errors.collect(() => requirePublicUrl(values))
  errors.throwAny()
  return Object.freeze({
    ...values,
    blobsDir: blobsUrl ?? join(values.dataDir, 'blobs'),
    tls,
    limits: withLimits({ http: { bodyBytesMax: values.bodyBytesMax } }, changes),
  })
}

/** The values of wrong settings are undefined; `errors` has a sentence about each. */
function readAll(env: Environment, errors: ErrorList): Values {
  const read = <Name extends keyof Settings>(name: Name, known: Partial<KnownSettings>) => {
    const { variable, read } = settings[name] as Setting<Values[Name]>
    return errors.collect(() => read(env[variable] || undefined, variable, known as KnownSettings))
  }
  const first = {
    databaseUrl: read('databaseUrl', {}),
    host: read('host', {}),
    // The default instead of a wrong value, so that the settings that depend on it are checked too.
    domain: read('domain', {}) ?? settings.domain.default,
    // Any relay instead of a malformed one: MARTLET_OUTBOUND=relay is not a second mistake.
    relay: read('relay', {}) ?? (env[settings.relay.variable] ? ({} as Relay) : undefined),
  }
  const early = first as KnownSettings
  const known: KnownSettings = {
    ...early,
    hostname: read('hostname', early) ?? first.domain,
    outbound: read('outbound', early) ?? 'capture',
  }
  const names = Object.keys(settings) as (keyof Settings)[]
  return Object.fromEntries(names.map((name) => [name, read(name, known)])) as unknown as Values
}

const ports = ['httpPort', 'smtpPort', 'submissionPort', 'submissionsPort', 'imapPort', 'imapsPort'] as const

function requireDifferentPorts(values: Partial<Pick<Values, (typeof ports)[number]>>): void {
  for (const [index, name] of ports.entries()) {
    const port = values[name]
    const same = ports.slice(index + 1).find((other) => values[other] === port)
    if (same === undefined || typeof port !== 'number' || port === 0) continue
    throw new StartupError(
      `${settings[name].variable} and ${settings[same].variable} are both ${port}; write different ports`,
    )
  }
}

/** Other servers would stop to deliver. */
function requireTlsForMtaSts({ mtaSts, publicUrl }: Partial<Values>, tls: Config['tls']): void {
  if (mtaSts === undefined || mtaSts === 'off') return
  const missing = [
    ...(tls ? [] : [settings.tlsCertFile.variable]),
    ...(publicUrl?.startsWith('https:') ? [] : [`${settings.publicUrl.variable}=https://…`]),
  ]
  if (missing.length === 0) return
  throw new StartupError(`${settings.mtaSts.variable}=${mtaSts} needs ${missing.join(' and ')}`)
}

/** The link must work where the sender opens it. */
function requirePublicUrl({
  senderChallenges,
  publicUrl,
}: Partial<Pick<Values, 'senderChallenges' | 'publicUrl'>>): void {
  if (senderChallenges === undefined || senderChallenges === 'off' || publicUrl !== undefined) return
  throw new StartupError(
    `${settings.senderChallenges.variable}=${senderChallenges} needs ${settings.publicUrl.variable}`,
  )
}

function certificateFiles(certFile: string | undefined, keyFile: string | undefined): Config['tls'] {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile }
  throw new StartupError(`Set both ${settings.tlsCertFile.variable} and ${settings.tlsKeyFile.variable}, or neither`)
}

/** Unknown variables are rejected, because a misspelt one would silently have no effect. @returns a sentence for each */
function unknownVariables(env: Environment): string[] {
  const known = Object.values(settings).map((setting) => setting.variable)
  return (
    Object.keys(env)
      .filter((variable) => variable.startsWith('MARTLET_') && !known.includes(variable))
      // Kubernetes sets such variables for every Service named "martlet", so they must be accepted.
      .filter((variable) => !/^MARTLET_(PORT($|_)|SERVICE_)/.test(variable))
      .map((variable) => {
        const meant = similarName(variable, known)
        const fix = meant === undefined ? 'remove it' : `did you mean ${meant}?`
        return `${variable} is not a setting of this version; ${fix} (docs/configuration.md lists all)`
      })
  )
}
