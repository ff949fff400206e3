/** The addresses on which the server listens: their form in texts and URLs, and errors for ports that cannot be opened. */
import { StartupError } from '../errors.ts'
import type { Port } from './setting-readers.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: Port
  /** The setting of the port. */
  readonly variable: 'MARTLET_HTTP_PORT' | 'MARTLET_SMTP_PORT'
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
