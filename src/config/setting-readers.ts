/**
 * Parses the value of each setting; outbound-settings.ts parses those of outgoing mail. Errors are sentences that say what
 * to write. Part of settings.ts, which documents the settings and is the only file that reads the environment.
 */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StartupError } from '../errors.ts'
import { isLocalhost } from '../host-name.ts'
import { DAY, HOUR, KIB, MIB } from './limits/limit.ts'
import type { KnownSettings } from './outbound-settings.ts'

export type Port = number | 'off'
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
type LogLevel = (typeof logLevels)[number]

/** 0: any free port. */
export function readPort(value: string, variable: string): Port {
  if (value === 'off') return 'off'
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN
  if (!(port <= 65_535)) throw new StartupError(`${variable}=${value}: write a port from 0 to 65535, or off`)
  return port
}

export function readDomain(value: string, variable: string): string {
  const domain = value.toLowerCase()
  const dnsLabel = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  const isName = new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`).test(domain) && !/(^|\.)\d+$/.test(domain) // no IP address
  if (domain.length > 253 || !isName) {
    throw new StartupError(
      `${variable}=${value}: write a domain name such as mail.example.com (internationalized labels as xn--…)`,
    )
  }
  return domain
}

/** Returns a warning for a valid domain with a single label, which only the local network can resolve. */
export function domainWarning({ domain }: { readonly domain: string }): string | undefined {
  if (domain.includes('.')) return undefined
  return `MARTLET_DOMAIN=${domain} has no dot, so servers elsewhere cannot send mail to it; mail.example.com has one`
}

export function readUrl(value: string | undefined, variable: string): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    throw new StartupError(`${variable}=${value}: write an http or https URL such as https://mail.example.com`)
  }
  return value.replace(/\/+$/, '')
}

export interface MailServer {
  readonly host: string
  readonly port: number
}

export function readMailServer(value: string | undefined, variable: string): MailServer | undefined {
  if (value === undefined) return undefined
  const [, host = '', port = ''] = /^(\[[\da-f:.]+\]|[^\s:/@[\]]+):([1-9]\d{0,4})$/i.exec(value) ?? []
  if (host !== '' && Number(port) <= 65_535) return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  throw new StartupError(`${variable}=${value}: write a host and a port, such as mail.example.com:587`)
}

export function readDatabaseUrl(value: string | undefined, variable: string): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPostgres = url !== undefined && /^postgres(ql)?:$/.test(url.protocol)
  if (isPostgres && url.pathname.length > 1) return value
  // Never repeat the value: it contains a password, which may be the malformed part.
  throw new StartupError(
    `${variable}: write postgres://user:password@host:5432/database, with reserved characters ` +
      'percent-encoded; or leave it unset to use SQLite',
  )
}

/** @returns the path of the folder */
export function readBlobsUrl(value: string | undefined, variable: string): string | undefined {
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isFolder =
    url?.protocol === 'file:' && url.host === '' && !url.search && !url.hash && /^file:\/\/\//i.test(value)
  if (isFolder) return fileURLToPath(url)
  throw new StartupError(`${variable}=${value}: write file:///folder, such as file:///srv/martlet/blobs`)
}

export function parseRootKey(
  value: string | undefined,
  variable: string,
  { databaseUrl }: Pick<KnownSettings, 'databaseUrl'>,
): string | undefined {
  if (value === undefined && databaseUrl !== undefined) {
    throw new StartupError(
      `${variable}: write 20 to 256 printable characters, the same on every node that uses MARTLET_DATABASE_URL; the ` +
        'nodes would not know a key that one of them generated',
    )
  }
  // Never repeat the value: it is a secret.
  if (value !== undefined && !/^[\x21-\x7e]{20,256}$/.test(value)) {
    throw new StartupError(`${variable}: write 20 to 256 printable characters without spaces`)
  }
  return value
}

export function readPausedInboxes(value: string, variable: string): 'defer' | 'drop' {
  if (value === 'defer' || value === 'drop') return value
  throw new StartupError(`${variable}=${value}: write defer or drop`)
}

export function readOnOff(value: string, variable: string): boolean {
  if (value === 'on' || value === 'off') return value === 'on'
  throw new StartupError(`${variable}=${value}: write on or off`)
}

export function readSignUp(
  value: string | undefined,
  variable: string,
  { domain }: Pick<KnownSettings, 'domain'>,
): boolean {
  return value === undefined ? isLocalhost(domain) : readOnOff(value, variable)
}

const LOOPBACK = ['127.0.0.0/8', '::1']

/** @returns addresses and CIDR ranges, in the form that node:net accepts */
export function readTrustedNetworks(
  value: string | undefined,
  variable: string,
  { domain }: Pick<KnownSettings, 'domain'>,
): readonly string[] {
  if (value === undefined) return isLocalhost(domain) ? LOOPBACK : []
  if (value === 'none') return []
  const parts = value.split(',').map((part) => part.trim())
  return parts.flatMap((part) => (part === 'loopback' ? LOOPBACK : readTrustedProxies(part, variable)))
}

export function readDmarcReject(value: string, variable: string): 'reject' | 'label' | 'accept' {
  if (value === 'reject' || value === 'label' || value === 'accept') return value
  throw new StartupError(`${variable}=${value}: write reject, label or accept`)
}

export function readAllowLists(value: string, variable: string): 'authenticated' | 'any' {
  if (value === 'authenticated' || value === 'any') return value
  throw new StartupError(`${variable}=${value}: write authenticated or any`)
}

export function readArcSealers(value: string | undefined, variable: string): readonly string[] {
  if (value === undefined || value === 'none') return []
  return value.split(',').map((part) => readDomain(part.trim(), variable))
}

/** `*`: every origin. */
export type CorsOrigins = '*' | readonly string[]

export function readCorsOrigins(
  value: string | undefined,
  variable: string,
  { domain }: Pick<KnownSettings, 'domain'>,
): CorsOrigins {
  if (value === undefined) return isLocalhost(domain) ? '*' : []
  if (value === '*') return '*'
  if (value === 'none') return []
  return value.split(',').map((part) => readOrigin(part.trim(), variable))
}

/** RFC 6454 §6.2: browsers send the origin as scheme, host, and the port unless it is the default of the scheme. */
function readOrigin(text: string, variable: string): string {
  const form = 'write origins such as https://app.example.com,http://localhost:5173, or * alone, or none'
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isWeb = url !== undefined && /^https?:$/.test(url.protocol) && !url.hostname.includes('*')
  // Apps that embed a browser have schemes of their own (`capacitor://localhost`), of which URL knows no origin.
  const origin = isWeb ? url.origin : /^[a-z][a-z\d+.-]*:\/\/[\w.:-]+$/.test(text) ? text : undefined
  if (origin === text) return origin
  if (origin !== undefined) throw new StartupError(`${variable}: "${text}" is no origin; write ${origin}`)
  throw new StartupError(`${variable}: "${text}" is no origin; ${form}`)
}

/** @returns addresses and CIDR ranges, in the form that node:net accepts */
export function readTrustedProxies(value: string | undefined, variable: string): readonly string[] {
  const parts = value === undefined ? [] : value.split(',').map((part) => part.trim())
  for (const part of parts) {
    const [, address = '', bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(part) ?? []
    const family = isIP(address)
    if (family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)) continue
    throw new StartupError(
      `${variable}: "${part}" is no address; write addresses and ranges such as 10.0.0.7,192.168.0.0/16,fd00::/8`,
    )
  }
  return parts
}

export function readCountOrOff(value: string, variable: string): number | 'off' {
  if (value === 'off') return 'off'
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value)
  throw new StartupError(`${variable}=${value}: write a number from 1 to 999999, or off`)
}

/** @returns milliseconds */
export function readDuration(value: string, variable: string): number {
  const [, count = '', unit = ''] = /^(\d{1,5})([hd])$/.exec(value) ?? []
  if (count === '') throw new StartupError(`${variable}=${value}: write hours or days, such as 12h or 7d`)
  return Number(count) * (unit === 'h' ? HOUR : DAY)
}

/** RFC 7208 §4.6.1: one mechanism. */
export function readSpfTerm(
  value: string | undefined,
  variable: string,
  { hostname, outbound }: KnownSettings,
): string | undefined {
  if (value === undefined) return outbound === 'relay' ? undefined : `a:${hostname}`
  if (/^(?:a|mx|include|exists):[\w.-]+$|^ip[46]:[\da-f.:/]+$/i.test(value)) return value
  throw new StartupError(
    `${variable}=${value}: write one mechanism, such as include:_spf.relay.example or ip4:192.0.2.1`,
  )
}

export function readPath(value: string | undefined): string | undefined {
  return value === undefined ? undefined : resolve(value)
}

export function readMessageBytes(value: string, variable: string): number {
  const bytes = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
  if (!(bytes >= 64 * KIB && bytes <= 1024 * MIB)) {
    throw new StartupError(`${variable}=${value}: write a number of bytes from ${64 * KIB} to ${1024 * MIB}`)
  }
  return bytes
}

export function readBodyBytes(value: string, variable: string): number {
  const bytes = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
  if (bytes >= 64 * KIB && bytes <= 64 * MIB) return bytes
  throw new StartupError(`${variable}=${value}: write a number of bytes from ${64 * KIB} to ${64 * MIB}`)
}

export function readLogLevel(value: string, variable: string): LogLevel {
  const level = logLevels.find((known) => known === value)
  if (!level) throw new StartupError(`${variable}=${value}: write one of ${logLevels.join(', ')}`)
  return level
}

/** @returns a whole number; 0 for `off` */
export function readCount(value: string, variable: string): number {
  if (value === 'off') return 0
  const count = /^\d{1,15}$/.test(value) ? Number(value) : 0
  if (count === 0) throw new StartupError(`${variable}=${value}: write a whole number, or off`)
  return count
}

/** @returns a whole number; 0 for `off` */
export function readDays(value: string, variable: string): number {
  if (value === 'off') return 0
  const [, days = '0'] = /^(\d{1,5})d$/.exec(value) ?? []
  if (Number(days) === 0) throw new StartupError(`${variable}=${value}: write days, such as 90d, or off`)
  return Number(days)
}

/** Returns a reader of a setting that is one of a few words. */
export function readOneOf<Word extends string>(...words: readonly [Word, Word, ...Word[]]) {
  return (value: string, variable: string): Word => {
    const word = words.find((each) => each === value)
    if (word !== undefined) return word
    throw new StartupError(`${variable}=${value}: write ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`)
  }
}
