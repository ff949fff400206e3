/** The URL of the HTTP listener, and the errors that the operator gets when it cannot listen. */
import type { Config } from '../../../config/settings.ts'
import { StartupError } from '../../../errors.ts'

/** Returns the base URL for clients on this machine: loopback if the server listens on all addresses. */
export function listenerUrl(host: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** @param error the error of a failed listen(). It is returned unchanged if it does not concern the address or port */
export function startupError(error: unknown, config: Config): unknown {
  const { code } = error as NodeJS.ErrnoException
  const where = `port ${config.httpPort} on ${config.host}`
  const fix = 'change MARTLET_HTTP_PORT or MARTLET_HOST'
  if (code === 'EADDRINUSE') return new StartupError(`HTTP: ${where} is in use; ${fix}`)
  if (code === 'EACCES') return new StartupError(`HTTP: this user may not open ${where}; ${fix}`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StartupError(`HTTP: MARTLET_HOST=${config.host} is not an address of this machine; ${fix}`)
  }
  return error
}
