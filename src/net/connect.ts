/** Opens a TCP connection within a time, and gives up when it is told to. */
import { connect, type Socket } from 'node:net'

interface Destination {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/**
 * @param host a name is looked up by the operating system, its addresses tried in turn (RFC 8305)
 * @throws the socket's error (ECONNREFUSED, ENETUNREACH, …), ETIMEDOUT when the time is over, the signal's reason
 */
export function connectSocket({ host, port, timeoutMs }: Destination, signal: AbortSignal): Promise<Socket> {
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
      fail(Object.assign(new Error('the connection did not open in time'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    signal.addEventListener('abort', giveUp)
    socket.once('error', fail)
    socket.once('connect', () => settle(() => resolve(socket)))
  })
}

/** Why a connection did not open, in words. */
export function connectFailure(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'connection refused'
  if (code === 'ENETUNREACH' || code === 'EHOSTUNREACH') return 'not reachable from here'
  if (code === undefined || code === 'ETIMEDOUT') return 'no connection in time'
  return `connection failed (${code})`
}
