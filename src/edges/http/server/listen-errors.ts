/** The URL of the listener, and the errors for the operator when it cannot listen. */
import type { Config } from '../../../config/settings.ts'
import { StartupError } from '../../../errors.ts'

/** Returns the base URL for clients on this machine: loopback if the server listens on all addresses. */
export function listenerUrl(host: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** @param error the error of a failed listen(); returned unchanged if it is not about the address or port */
export function startupError(error: unknown, config: Config): unknown {
  const { code } = error as NodeJS.ErrnoException
  const where = `port ${config.httpPort} on ${config.host}`
  const fix = 'set MARTLET_HTTP_PORT or MARTLET_HOST to another'
  if (code === 'EADDRINUSE') return new StartupError(`HTTP: ${where} is in use; ${fix}`)
  if (code === 'EACCES') return new StartupError(`HTTP: ${where} may not be opened by this user; ${fix}`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StartupError(`HTTP: MARTLET_HOST=${config.host} is not an interface of this machine; ${fix}`)
  }
  return error
}
