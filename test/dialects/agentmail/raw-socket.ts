/** A minimal WebSocket client: the test reads every frame and the close, in order. */
import { WebSocket } from 'ws'

export interface RawSocket extends AsyncDisposable {
  readonly socket: WebSocket
  /** Returns the next frame, parsed. Rejects if the socket closes first. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read any frame
  next(): Promise<any>
  send(frame: unknown): void
  /** Resolves when the socket has closed. */
  readonly closed: Promise<{ code: number; reason: string }>
}

/** @throws Error with the status of the response when the handshake is refused */
export async function openSocket(url: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const socket = new WebSocket(url, { headers })
  const frames: unknown[] = []
  let notify = () => undefined as unknown
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: String(reason) })
      notify()
    })
  })
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)))
    notify()
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => reject(new Error(`${response.statusCode} ${response.headers['content-type']} ${text}`)))
    })
  })
  socket.on('error', () => undefined) // "close" follows

  return {
    socket,
    closed,
    async next() {
      while (frames.length === 0) {
        if (socket.readyState !== WebSocket.OPEN) throw new Error(`closed: ${JSON.stringify(await closed)}`)
        await new Promise<unknown>((resolve) => (notify = () => resolve(undefined)))
      }
      return frames.shift()
    },
    send(frame) {
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
    },
    async [Symbol.asyncDispose]() {
      socket.terminate()
      await closed
    },
  }
}
