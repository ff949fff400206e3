/** A WebSocket client; a test waits for its frames instead of sleeping. */
import { once } from 'node:events'
import { WebSocket } from 'ws'

// biome-ignore lint/suspicious/noExplicitAny: frames have every shape
export type Frame = any

export interface TestSocket {
  readonly raw: WebSocket
  send(frame: unknown): void
  /** Returns the next matching frame that no call has returned yet; earlier frames that do not match are kept. */
  nextFrame(fits: (frame: Frame) => boolean): Promise<Frame>
  /** Returns the next event that no call has returned yet, of the given type if there is one. */
  next(eventType?: string): Promise<Frame>
  /** Frames that have arrived and were not returned yet. */
  readonly pending: readonly Frame[]
  readonly closed: Promise<{ code: number; reason: string }>
  close(): void
}

/** @param key sent in a header; undefined: the URL contains it */
export async function openSocket(
  url: string,
  key: string | undefined,
  headers: Record<string, string> = {},
): Promise<TestSocket> {
  const raw = new WebSocket(url, {
    headers: { ...(key !== undefined && { authorization: `Bearer ${key}` }), ...headers },
  })
  const pending: Frame[] = []
  const waiting: {
    fits: (frame: Frame) => boolean
    resolve: (frame: Frame) => void
    reject: (error: Error) => void
  }[] = []
  let closeError: Error | undefined
  const closed = once(raw, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }))
  raw.on('message', (data) => {
    const frame: Frame = JSON.parse(String(data))
    const index = waiting.findIndex(({ fits }) => fits(frame))
    if (index === -1) pending.push(frame)
    else waiting.splice(index, 1)[0]!.resolve(frame)
  })
  void closed.then(
    ({ code }) => {
      closeError = new Error(`the socket closed with ${code} while the test waited for a frame`)
      for (const { reject } of waiting.splice(0)) reject(closeError)
    },
    () => undefined, // the wait for "open" reports a failed handshake
  )
  await once(raw, 'open')

  const nextFrame = (fits: (frame: Frame) => boolean): Promise<Frame> => {
    const index = pending.findIndex(fits)
    if (index !== -1) return Promise.resolve(pending.splice(index, 1)[0])
    if (closeError) return Promise.reject(closeError) // no more frames will come
    return new Promise((resolve, reject) => waiting.push({ fits, resolve, reject }))
  }
  return {
    raw,
    send: (frame) => raw.send(JSON.stringify(frame)),
    nextFrame,
    next: (eventType) => nextFrame((frame) => frame.type === 'event' && (!eventType || frame.event_type === eventType)),
    pending,
    closed,
    close: () => raw.terminate(),
  }
}
