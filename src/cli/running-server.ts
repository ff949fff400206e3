/**
 * Finds out whether the configured server is running: by the lock of its data folder, and by asking its ports. A port that
 * another program uses must not be taken for ours.
 */
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { localHost, localUrl } from '../config/listen-address.ts'
import type { Config } from '../config/settings.ts'

export interface RunningServer {
  /** Whether it listens on the configured port. */
  readonly hasHttp: boolean
  readonly hasSmtp: boolean
  readonly hasSubmission: boolean
  readonly hasSubmissions: boolean
  readonly hasImap: boolean
  readonly hasImaps: boolean
  readonly description: string
}

/** A server on this machine answers at once, unless it is overloaded. */
const ANSWER_MS = 3_000

type Addresses = Pick<
  Config,
  'host' | 'httpPort' | 'smtpPort' | 'submissionPort' | 'submissionsPort' | 'imapPort' | 'imapsPort' | 'dataDir'
>

const NONE = {
  ...{ hasHttp: false, hasSmtp: false, hasSubmission: false, hasSubmissions: false },
  ...{ hasImap: false, hasImaps: false },
}

/** The greetings of edges/smtp/protocol/replies.ts and edges/imap/session/imap-session.ts. */
const SMTP_GREETING = /^220[ -]\S+ ESMTP Martlet/
const IMAP_GREETING = /^\* OK \[CAPABILITY [^\]]*\] Martlet /

/** @param isInUse whether a server uses the data folder; undefined: unknown, so only the ports can tell */
export async function findServer(config: Addresses, isInUse: boolean | undefined): Promise<RunningServer> {
  if (isInUse === false) return { ...NONE, description: 'not running' }
  const host = localHost(config.host)
  const [hasHttp, hasSmtp, hasSubmission, hasSubmissions, hasImap, hasImaps] = await Promise.all([
    answersHttp(config.host, config.httpPort),
    greets(SMTP_GREETING, host, config.smtpPort),
    greets(SMTP_GREETING, host, config.submissionPort),
    greets(SMTP_GREETING, host, config.submissionsPort, true),
    greets(IMAP_GREETING, host, config.imapPort),
    greets(IMAP_GREETING, host, config.imapsPort, true),
  ])
  const found = { hasHttp, hasSmtp, hasSubmission, hasSubmissions, hasImap, hasImaps }
  if (isInUse) return { ...found, description: `running; it uses ${config.dataDir}` }
  const isFound = Object.values(found).includes(true)
  return { ...found, description: isFound ? 'running on this machine' : 'no server answers on the configured ports' }
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

function greets(greeting: RegExp, host: string, port: Config['smtpPort'], isTls = false): Promise<boolean> {
  if (port === 'off' || port === 0) return Promise.resolve(false)
  return new Promise((resolve) => {
    const to = { host, port, timeout: ANSWER_MS }
    // The certificate is not checked: it may be for the public name. Only the greeting is read.
    const socket = isTls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
    const end = (isMartlet: boolean) => {
      resolve(isMartlet)
      socket.destroy()
    }
    socket.once('data', (bytes) => end(greeting.test(bytes.toString('latin1'))))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}
