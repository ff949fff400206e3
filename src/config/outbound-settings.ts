/**
 * Parses the settings of outgoing mail: route, relay, resolvers. Part of settings.ts, which documents the settings and
 * is the only file that reads the environment. Errors are sentences that say what to write.
 */
import { isIP } from 'node:net'
import { StartupError } from '../errors.ts'
import { isLocalhost, withoutBrackets } from '../host-name.ts'

/** Routes of mail to other domains. */
const outboundRoutes = ['capture', 'direct', 'relay'] as const
type OutboundRoute = (typeof outboundRoutes)[number]

/** The server that accepts all our mail to other domains. */
export interface Relay {
  readonly host: string
  readonly port: number
  /** Whether TLS starts with the first byte (RFC 8314 §3.3); otherwise STARTTLS. */
  readonly isImplicitTls: boolean
  readonly auth?: { readonly user: string; readonly password: string }
}

/** Settings that the readers of other settings need. */
export interface KnownSettings {
  readonly databaseUrl: string | undefined
  readonly host: string
  readonly domain: string
  readonly hostname: string
  readonly relay: Relay | undefined
  readonly outbound: OutboundRoute
}

const RELAY_FORM = 'smtp://user:password@host:port or smtps://…, user and password percent-encoded'
/** RFC 6409 §3.1 and RFC 8314 §3.3. */
const SUBMISSION_PORT = 587
const SUBMISSIONS_PORT = 465

export function readOutbound(
  value: string | undefined,
  variable: string,
  { domain, relay }: Pick<KnownSettings, 'domain' | 'relay'>,
): OutboundRoute {
  // No host on the internet can reply to a .localhost address (RFC 6761 §6.3), so by default no mail is sent from one.
  if (value === undefined) return isLocalhost(domain) ? 'capture' : 'direct'
  const route = outboundRoutes.find((known) => known === value)
  if (!route) throw new StartupError(`${variable}=${value}: write one of ${outboundRoutes.join(', ')}`)
  if (route === 'relay' && !relay) {
    throw new StartupError(`${variable}=relay: set MARTLET_RELAY_URL too, such as smtp://relay.example.com:587`)
  }
  return route
}

export function readRelay(value: string | undefined, variable: string): Relay | undefined {
  if (value === undefined) return undefined
  // Never repeat the value: it contains a password.
  const malformed = (detail: string) => new StartupError(`${variable}: ${detail}; write ${RELAY_FORM}`)
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '') throw malformed('the URL is malformed')
  if (!/^\/?$/.test(url.pathname) || url.search || url.hash) throw malformed('nothing may follow the port')
  if ((url.username === '') !== (url.password === '')) throw malformed('give both user and password, or neither')
  if (url.port === '0') throw malformed('0 is not a valid port')
  const isImplicitTls = url.protocol === 'smtps:'
  const port = Number(url.port) || (isImplicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT)
  const host = withoutBrackets(url.hostname)
  try {
    const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
    return Object.freeze({ host, port, isImplicitTls, ...(user !== '' && { auth: { user, password } }) })
  } catch {
    throw malformed('user or password contains a % that starts no escape sequence; write a literal % as %25')
  }
}

export function readOutboundPort(value: string, variable: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0
  if (port > 0 && port <= 65_535) return port
  throw new StartupError(`${variable}=${value}: write a port from 1 to 65535`)
}

export function readDnsServers(value: string | undefined, variable: string): readonly string[] | undefined {
  if (value === undefined) return undefined
  const servers = value.split(',').map((server) => server.trim())
  if (servers.every(isServer)) return servers
  throw new StartupError(`${variable}=${value}: write addresses such as 127.0.0.1:5353,[::1]:53 (the port is optional)`)
}

function isServer(server: string): boolean {
  const [, ip6 = '', ip4 = '', port = '53'] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(server) ?? []
  return (isIP(ip6) === 6 || isIP(ip4) === 4) && Number(port) > 0 && Number(port) <= 65_535
}

export function readAllowPrivateNetworks(
  value: string | undefined,
  variable: string,
  { host }: Pick<KnownSettings, 'host'>,
): boolean {
  if (value === undefined) return isLoopback(host)
  if (value === 'true' || value === 'false') return value === 'true'
  throw new StartupError(`${variable}=${value}: write true or false`)
}

/** @param host name or address, as in a setting */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
