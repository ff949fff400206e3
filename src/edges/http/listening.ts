/** Where the server listens, and what the operator is told when it cannot. */
import type { Config } from '../../config.ts'
import { StartupError } from '../../errors.ts'

/** Under which this machine reaches it: an address that listens everywhere is reached on loopback from here. */
export function listenerUrl(host: string, port: number): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/** @param error of a listen() that failed; one that is not about the address comes back as it is */
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
