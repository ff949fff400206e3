/**
 * From the event feed to one WebSocket, for every dialect: order, back-pressure, heartbeat and the reason for a close.
 *
 *   follow → feed.subscribe → acknowledgement → event → render → write → … → wait while the socket's buffer is full
 *
 * Slow reader: nothing more is pulled from the feed while more than `limits.socketBufferBytesMax` wait in the socket. If
 *   none of it leaves for `limits.socketStallMs`, or the feed's own buffer runs over meanwhile, the socket closes with
 *   1013. The reader comes back with the cursor of the last frame it read and misses nothing.
 * Store away: the event waits until it can be rendered. Most clients know no cursor and would miss what happened between
 *   two sockets.
 * Dead peer: protocol pings; two without an answer end the socket. Never an application's ping, and never a frame that is
 *   not a JSON object: AgentMail's Node client dies of plain text (docs/compatibility/agentmail.md).
 * Must not: decide what an actor may see (the feed does) or how an event looks (the dialect does).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { RawData, WebSocket } from 'ws'
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import type { KeyActor } from '../../mail/access/actor.ts'
import { type Event, type Feed, FeedEnded, type Interest } from '../../mail/events/event.ts'
import type { Metrics } from '../../metrics.ts'

/** RFC 6455 §7.4.1 and the IANA registry that it opens. */
const TRY_AGAIN_LATER = 1013
const POLICY_VIOLATION = 1008
const INTERNAL_ERROR = 1011

const RENDER_RETRY_FIRST_MS = 50

/**
 * How a socket is told that the server stops. Node clients dial again after 1012 (Service Restart) and never after 1000;
 * Python clients end their iteration quietly at 1001 (Going Away) and with an exception at 1012.
 */
export type StopCode = 1001 | 1012

/** The frame for an event, or undefined when this dialect has no words for it. */
export type Render = (event: Event) => string | undefined | Promise<string | undefined>

export interface Subscriber {
  /**
   * Tells what this interest asks for from now on, instead of what an earlier one did. Where the feed refuses it, the
   * earlier one goes on. What the earlier one had not yet told when the new one begins is not told; a client that must
   * not lose it names its last cursor in the new one.
   *
   * @param acknowledge the frame that is sent once the interest was accepted, before its first event; with the cursor of
   *   the place after which it is told
   * @throws as Feed.subscribe
   */
  follow(interest: Interest, acknowledge: (cursor: string) => object, render: Render): Promise<void>
}

interface SubscriberNeeds {
  readonly socket: WebSocket
  readonly actor: KeyActor
  readonly stopCode: StopCode
  readonly feed: Feed
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
  /** One JSON object from the client, one at a time. What it throws is answered with `renderError`. */
  readonly onFrame: (frame: object, subscriber: Subscriber) => Promise<void>
  readonly renderError: (error: MailError) => object
}

/**
 * Serves the socket until it closes.
 *
 * @returns resolves, once the feed has ended, when what it gave before is written
 */
export function serveSubscriber(needs: SubscriberNeeds): () => Promise<void> {
  const { socket, actor, feed, limits, metrics, renderError } = needs
  const log = needs.log.child({ apiKeyId: actor.apiKeyId })
  const writer = createWriter(socket, limits)
  let current: AbortController | undefined
  let telling = Promise.resolve()
  /** Held while a new interest is being checked, so that no event is told under both. */
  let hold: Promise<unknown> = Promise.resolve()

  metrics.sockets.inc()
  const stopHeartbeat = startHeartbeat(socket, limits)
  socket.on('error', (error) => log.debug({ err: error }, 'websocket failed')) // ws closes it and emits "close"
  socket.on('close', () => {
    metrics.sockets.dec()
    stopHeartbeat()
    current?.abort()
  })
  readFrames(socket, async (frame) => {
    try {
      await needs.onFrame(requireObject(frame), { follow })
    } catch (error) {
      if (!(error instanceof MailError)) log.error({ err: error }, 'websocket frame failed')
      writer.send(
        renderError(error instanceof MailError ? error : new MailError('internal_error', {}, { cause: error })),
      )
    }
  })

  return () => telling

  async function follow(interest: Interest, acknowledge: (cursor: string) => object, render: Render): Promise<void> {
    const next = new AbortController()
    const replaced = feed.subscribe(actor, interest, next.signal).then((events) => {
      current?.abort()
      current = next
      return events
    })
    hold = replaced.catch(() => undefined) // the failure is the caller's; the earlier interest goes on
    const events = await replaced

    if (socket.readyState !== socket.OPEN) return next.abort()
    writer.send(acknowledge(events.cursor))
    telling = tell(events, render, next.signal)
  }

  async function tell(events: AsyncIterable<Event>, render: Render, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of events) {
        const frame = await renderPatiently(event, render, signal)
        await hold
        if (signal.aborted) return
        if (frame === undefined) continue
        metrics.eventsTold.inc()
        if ((await writer.write(frame)) === 'stalled') return close(TRY_AGAIN_LATER, 'stalled')
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof FeedEnded) return close(...closeOf(error, needs.stopCode))
      if (error instanceof MailError)
        writer.send(renderError(error)) // cursor_expired: overtaken while reading the past
      else log.error({ err: error }, 'event feed failed')
      close(INTERNAL_ERROR, error instanceof MailError ? error.code : 'internal_error')
    }
  }

  /** @throws what `render` throws, unless it may go well later */
  async function renderPatiently(event: Event, render: Render, signal: AbortSignal): Promise<string | undefined> {
    for (let pauseMs = RENDER_RETRY_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, limits.databaseRetryMaxMs)) {
      try {
        return await render(event)
      } catch (error) {
        if (signal.aborted || !(error instanceof MailError) || error.kind !== 'temporary') throw error
        log.warn({ err: error, pauseMs }, 'an event waits to be told')
        await delay(pauseMs, undefined, { signal })
      }
    }
  }

  function close(code: number, reason: string): void {
    current?.abort()
    if (socket.readyState !== socket.OPEN) return
    metrics.socketsClosed.inc({ code })
    log.info({ code, reason }, 'websocket closed')
    socket.close(code, reason) // ws destroys it if the peer does not answer
  }
}

/** What a client must know of the end of a feed: come back, come back later, or stay away with this key. */
function closeOf(end: FeedEnded, stopCode: StopCode): [code: number, reason: string] {
  switch (end.reason) {
    case 'too_slow':
      return [TRY_AGAIN_LATER, 'too_slow']
    case 'revoked':
      return [POLICY_VIOLATION, 'revoked']
    case 'stopping':
      return [stopCode, 'stopping']
  }
}

/** Writes frames and says when to write more. */
function createWriter(socket: WebSocket, limits: Limits) {
  let progressed: (() => void) | undefined
  socket.on('close', () => progressed?.())

  return {
    send(frame: object): void {
      socket.send(JSON.stringify(frame), () => progressed?.())
    },

    /** Resolves when the buffer has room again, or the socket is closed, or nothing left it for too long. */
    async write(frame: string): Promise<'ready' | 'stalled'> {
      socket.send(frame, () => progressed?.())
      while (socket.readyState === socket.OPEN && socket.bufferedAmount > limits.socketBufferBytesMax) {
        const stalled = await new Promise<boolean>((resolve) => {
          const timer = setTimeout(resolve, limits.socketStallMs, true)
          progressed = () => {
            clearTimeout(timer)
            resolve(false)
          }
        })
        progressed = undefined
        if (stalled) return 'stalled'
      }
      return 'ready'
    },
  }
}

/** @returns stops it */
function startHeartbeat(socket: WebSocket, limits: Limits): () => void {
  let unanswered = 0
  socket.on('pong', () => {
    unanswered = 0
  })
  const timer = setInterval(() => {
    if (unanswered >= 2) return socket.terminate()
    unanswered += 1
    socket.ping()
  }, limits.socketPingMs)
  return () => clearInterval(timer)
}

/** Hands frames over one after another, and reads no more from the socket while some wait. */
function readFrames(socket: WebSocket, handle: (frame: unknown) => Promise<void>): void {
  let waiting = 0
  let queue = Promise.resolve()
  socket.on('message', (data, isBinary) => {
    waiting += 1
    socket.pause()
    queue = queue.then(async () => {
      await handle(isBinary ? undefined : parseFrame(data))
      waiting -= 1
      if (waiting === 0) socket.resume()
    })
  })
}

/** undefined for what is not JSON: refused together with JSON that is no object. */
function parseFrame(data: RawData): unknown {
  try {
    return JSON.parse(data.toString())
  } catch {
    return undefined
  }
}

function requireObject(frame: unknown): object {
  if (typeof frame === 'object' && frame !== null && !Array.isArray(frame)) return frame
  throw new MailError('validation_error', { detail: 'A frame must be text that holds one JSON object' })
}
