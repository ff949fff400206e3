/**
 * Handles the frames of one WebSocket client in order, one at a time, and only as many as the limits allow. Pings and
 * pongs count too, since each costs a response or a turn of the event loop. A large frame counts as several: a
 * subscribe with a thousand ids takes some milliseconds.
 *
 *   frame → within the rate? → queue, pause reading → a turn of the event loop → handle → resume reading
 *
 * Too many frames: a frame above the rate is refused at once, without being parsed. When more than
 *   `limits.sockets.framesRefusedMax` frames were refused and the client has not paused, reading stops and the session
 *   ends.
 * Must not: know what a frame means.
 */
import type { RawData, WebSocket } from 'ws'
import type { Limits } from '../../../config/limits.ts'

interface IntakeNeeds {
  readonly socket: WebSocket
  readonly limits: Limits
  /** Resolves when the next frame of this socket may be handled. */
  readonly turn: () => Promise<void>
  /** Must not reject. @param text undefined for a binary frame */
  readonly onFrame: (text: string | undefined) => Promise<void>
  readonly onPing: (data: Buffer) => void
  readonly onRefused: () => void
  /** Called once. */
  readonly onFlood: () => void
}

export function handleFrames({ socket, limits, turn, ...needs }: IntakeNeeds): void {
  const allowance = new TokenBucket(limits)
  let refused = 0
  let isFlooded = false
  let waiting = 0
  let queue = Promise.resolve()

  socket.on('message', (data, isBinary) => {
    if (!admit(sizeOf(data))) return
    waiting += 1
    socket.pause()
    queue = queue.then(() => handle(data, isBinary))
  })
  socket.on('ping', (data) => {
    if (admit(data.length)) needs.onPing(data)
  })
  socket.on('pong', (data) => void admit(data.length))

  async function handle(data: RawData, isBinary: boolean): Promise<void> {
    await turn()
    if (!isFlooded && socket.readyState === socket.OPEN) await needs.onFrame(isBinary ? undefined : data.toString())
    waiting -= 1
    if (waiting === 0 && !isFlooded) socket.resume()
  }

  function admit(bytes: number): boolean {
    if (isFlooded) return false
    if (allowance.isFull()) refused = 0
    if (allowance.take(Math.max(1, Math.ceil(bytes / limits.sockets.frameUnitBytes)))) return true
    refused += 1
    if (refused <= limits.sockets.framesRefusedMax) {
      needs.onRefused()
    } else {
      isFlooded = true
      socket.pause()
      needs.onFlood()
    }
    return false
  }
}

/** Every message is a Buffer: no other `binaryType` is set. */
function sizeOf(data: RawData): number {
  return (data as Buffer).length
}

/** A token bucket: its size limits the frames at once, its refill rate the frames per second. */
class TokenBucket {
  readonly #limits: Limits
  #left: number
  #filledAtMs = performance.now()

  constructor(limits: Limits) {
    this.#limits = limits
    this.#left = limits.sockets.framesBurstMax
  }

  isFull(): boolean {
    this.#fill()
    return this.#left === this.#limits.sockets.framesBurstMax
  }

  take(count: number): boolean {
    this.#fill()
    if (this.#left < count) return false
    this.#left -= count
    return true
  }

  #fill(): void {
    const { framesPerSecondMax, framesBurstMax } = this.#limits.sockets
    const now = performance.now()
    const added = ((now - this.#filledAtMs) / 1_000) * framesPerSecondMax
    this.#left = Math.min(framesBurstMax, this.#left + added)
    this.#filledAtMs = now
  }
}
