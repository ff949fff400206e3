/** The addresses on which the server listens: their form in texts and URLs, and errors for ports that cannot be opened. */
import { StartupError } from '../errors.ts'
import type { Port } from './setting-readers.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: Port
  /** The setting of the port. */
  readonly variable: `MARTLET_${string}_PORT`
}

interface Ports {
  readonly host: string
  readonly httpPort: Port
  readonly smtpPort: Port
  readonly submissionPort: Port
  readonly submissionsPort: Port
  readonly imapPort: Port
  readonly imapsPort: Port
}

export function httpAddress({ host, httpPort: port }: Pick<Ports, 'host' | 'httpPort'>): ListenAddress {
  return { host, port, variable: 'MARTLET_HTTP_PORT' }
}

export function smtpAddress({ host, smtpPort: port }: Pick<Ports, 'host' | 'smtpPort'>): ListenAddress {
  return { host, port, variable: 'MARTLET_SMTP_PORT' }
}

/** Submission with STARTTLS. */
export function submissionAddress(ports: Pick<Ports, 'host' | 'submissionPort'>): ListenAddress {
  return { host: ports.host, port: ports.submissionPort, variable: 'MARTLET_SUBMISSION_PORT' }
}

/** Submission with implicit TLS. */
export function submissionsAddress(ports: Pick<Ports, 'host' | 'submissionsPort'>): ListenAddress {
  return { host: ports.host, port: ports.submissionsPort, variable: 'MARTLET_SUBMISSIONS_PORT' }
}

/** IMAP with STARTTLS. */
export function imapAddress({ host, imapPort: port }: Pick<Ports, 'host' | 'imapPort'>): ListenAddress {
  return { host, port, variable: 'MARTLET_IMAP_PORT' }
}

/** IMAP with implicit TLS. */
export function imapsAddress({ host, imapsPort: port }: Pick<Ports, 'host' | 'imapsPort'>): ListenAddress {
  return { host, port, variable: 'MARTLET_IMAPS_PORT' }
}

/** Returns the addresses of all listeners, also of those that are off. */
export function listenAddresses(ports: Ports): ListenAddress[] {
  return [
    httpAddress(ports),
    smtpAddress(ports),
    submissionAddress(ports),
    submissionsAddress(ports),
    imapAddress(ports),
    imapsAddress(ports),
  ]
}

/** Returns the host under which clients on this machine reach the server: loopback if it listens on all addresses. */
export function localHost(host: string): string {
  return { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
}

/** Returns the base URL for clients on this machine. */
export function localUrl(host: string, port: number): string {
  return `http://${hostAndPort(localHost(host), port)}`
}

export function hostAndPort(host: string, port: Port): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * @param error the error of a failed listen()
 * @returns a StartupError; an error that does not come from the system is returned unchanged
 */
export function listenError(error: unknown, { host, port, variable }: ListenAddress): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  const address = hostAndPort(host, port)
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `${address} is in use; stop the process that uses it, or set ${variable}`,
    EACCES: `This user may not open port ${port}; allow it (CAP_NET_BIND_SERVICE), or set ${variable} to one above 1023`,
    EADDRNOTAVAIL: `MARTLET_HOST=${host} is not an address of this machine`,
    ENOTFOUND: `MARTLET_HOST=${host} is not an address of this machine`,
  }
  return new StartupError(sentences[code] ?? `${address} cannot be opened (${code})`, { cause: error })
}
