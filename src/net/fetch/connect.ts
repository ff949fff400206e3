/** Opens a TCP connection, with a timeout and an abort signal. */
import { connect, type Socket } from 'node:net'

interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/**
 * @param host an address or a name; the operating system resolves a name, its addresses are tried in order (RFC 8305)
 * @throws the socket's error (ECONNREFUSED, ENETUNREACH, …), ETIMEDOUT after `timeoutMs`, or the signal's reason
 */
export function connectSocket({ host, port, timeoutMs }: ConnectOptions, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connect({ host, port })
    const settle = (act: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      socket.off('error', fail)
      act()
    }
    const fail = (error: unknown) => {
      socket.destroy()
      settle(() => reject(error))
    }
    const giveUp = () => fail(signal.reason)
    const timer = setTimeout(() => {
      fail(Object.assign(new Error('the connection timed out'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    signal.addEventListener('abort', giveUp)
    socket.once('error', fail)
    socket.once('connect', () => settle(() => resolve(socket)))
  })
}

/** Returns a short text that says why a connection could not be opened. */
export function connectFailure(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'connection refused'
  if (code === 'ENETUNREACH' || code === 'EHOSTUNREACH') return 'host or network unreachable'
  if (code === undefined || code === 'ETIMEDOUT') return 'connection timed out'
  return `connection failed (${code})`
}
