/**
 * Finds out whether the configured server is running: by the lock of its data folder, and by asking its ports. A port that
 * another program uses must not be taken for ours.
 */
import { connect } from 'node:net'
import { localHost, localUrl } from '../config/listen-address.ts'
import type { Config } from '../config/settings.ts'

export interface RunningServer {
  /** Whether it listens on the configured port. */
  readonly hasHttp: boolean
  readonly hasSmtp: boolean
  readonly description: string
}

/** A server on this machine answers at once, unless it is overloaded. */
const ANSWER_MS = 3_000

/** @param isInUse whether a server uses the data folder; undefined: unknown, so only the ports can tell */
export async function findServer(
  { host, httpPort, smtpPort, dataDir }: Pick<Config, 'host' | 'httpPort' | 'smtpPort' | 'dataDir'>,
  isInUse: boolean | undefined,
): Promise<RunningServer> {
  if (isInUse === false) return { hasHttp: false, hasSmtp: false, description: 'not running' }
  const [hasHttp, hasSmtp] = await Promise.all([answersHttp(host, httpPort), answersSmtp(localHost(host), smtpPort)])
  if (isInUse) return { hasHttp, hasSmtp, description: `running; it uses ${dataDir}` }
  const description = hasHttp || hasSmtp ? 'running on this machine' : 'no server answers on the configured ports'
  return { hasHttp, hasSmtp, description }
}

async function answersHttp(host: string, port: Config['httpPort']): Promise<boolean> {
  if (port === 'off' || port === 0) return false
  try {
    const response = await fetch(`${localUrl(host, port)}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    return ((await response.json()) as { status?: string }).status === 'ok'
  } catch {
    return false // no server, or another program
  }
}

/** Reads the greeting (edges/smtp/protocol/replies.ts). */
function answersSmtp(host: string, port: Config['smtpPort']): Promise<boolean> {
  if (port === 'off' || port === 0) return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ANSWER_MS })
    const end = (isMartlet: boolean) => {
      resolve(isMartlet)
      socket.destroy()
    }
    socket.once('data', (greeting) => end(/^220[ -]\S+ ESMTP Martlet/.test(greeting.toString('latin1'))))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}
