/**
 * One WebSocket session, for every dialect: handles client frames, replaces the subscription, sends pings, and maps the
 * reason for the end to a close code. event-pump.ts sends the events of the feed.
 *
 *   subscribe → feed.subscribe → acknowledgement → events, as they are committed
 *
 * Slow client: the socket closes with 1013. If the server's memory budget is exceeded (backlog-budget.ts), the
 *   connection is terminated without a close frame, which would wait behind data that the client does not read.
 * Too many frames: an error frame, then 1008 (frame-intake.ts). While a client does not read the responses, no more of
 *   its frames are handled.
 * Dead peer: after two unanswered protocol pings the socket is closed. A dialect may have heartbeats of its own; nobody has
 *   to answer them. All frames are JSON objects: AgentMail's Node client crashes on plain text
 *   (docs/compatibility/agentmail.md).
 */
import type { WebSocket } from 'ws'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { runIn, type Unit } from '../../../fault-boundary.ts'
import type { Log } from '../../../log.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { EarlierSubscription, Feed, SubscribedEvents } from '../../../mail/events/feed/feed.ts'
import type { EventFilter } from '../../../mail/events/feed/subscription-filter.ts'
import type { Event } from '../../../mail/events/log/event.ts'
import type { Metrics } from '../../../metrics.ts'
import type { SocketContext, StopCode } from '../server/http-dialect.ts'
import { EncodedText } from './encoded-text.ts'
import { type Ending, pumpEvents, type Render } from './event-pump.ts'
import { handleFrames } from './frame-intake.ts'
import { CUT_OFF, type Sink, SinkWriter } from './sink-writer.ts'

/** Close codes: RFC 6455 §7.4.1 and its IANA registry. */
const TRY_AGAIN_LATER = 1013
const POLICY_VIOLATION = 1008
const INTERNAL_ERROR = 1011

export interface WebSocketSession {
  /**
   * Replaces the subscription filter of this session. If the feed rejects the new filter, the earlier one continues.
   * Events of the earlier one that have not been sent yet are dropped; a client that must not lose them subscribes with
   * its last cursor.
   *
   * @param acknowledge returns the frame that is sent after the filter was accepted and before its first event. It gets
   *   the cursor of the position after which events are sent
   * @throws as Feed.subscribe
   */
  subscribe(eventFilter: EventFilter, acknowledge: (cursor: string) => object, render: Render): Promise<void>
  /** Adds a subscription filter to those of this session, without a gap: no event that waits to be sent is dropped. */
  add(eventFilter: EventFilter, acknowledge: (cursor: string) => object, render: Render): Promise<void>
  /** Sends a frame that is no event. */
  send(frame: object): void
}

interface WebSocketSessionNeeds extends SocketContext {
  readonly socket: WebSocket
  readonly actor: KeyActor
  readonly feed: Feed
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
  /**
   * Called with each JSON object from the client, one at a time. Errors that it throws are sent to the client, rendered
   * with `renderError`.
   */
  readonly onFrame: (frame: object, session: WebSocketSession) => Promise<void>
  readonly renderError: (error: MailError) => object
  /** Sent every limits.sockets.heartbeatMs, unless other data waits to be read. */
  readonly heartbeat?: object
}

/**
 * Serves the socket until it closes.
 *
 * @returns a function whose promise resolves, after the feed has stopped, when all its events are written
 */
export function serveWebSocket(needs: WebSocketSessionNeeds): () => Promise<void> {
  const { socket, disconnect, actor, feed, budget, pacer, roundRobin, limits, metrics, renderError } = needs
  const log = needs.log.child({ apiKeyId: actor.apiKeyId })
  const backlog = budget.open(cutOff)
  const writer = new SinkWriter(sinkOf(socket), limits, backlog)
  /**
   * Aborts when this socket is closed or cut off. A subscribe that is still being checked then ends too and releases
   * its memory.
   */
  const closed = new AbortController()
  /** Aborts the current subscription. */
  let currentSubscription = new AbortController()
  let pumping = Promise.resolve()
  /** The current subscription, with what the client has of it. */
  let current: { readonly events: SubscribedEvents; sentCursor: string } | undefined
  /** Pending while a new filter is being checked, so that no event is sent under both filters. */
  let filterChecked: Promise<unknown> = Promise.resolve()

  const unit: Unit = { kind: 'WebSocket', fail: () => close(INTERNAL_ERROR, 'internal_error') }
  const inUnit =
    <Given extends unknown[], Result>(act: (...given: Given) => Result) =>
    (...given: Given) =>
      runIn(unit, () => act(...given))

  metrics.sockets.inc()
  const stopPings = startPings(socket, limits)
  const heartbeats = needs.heartbeat && setInterval(sendHeartbeat, limits.sockets.heartbeatMs)
  socket.on('error', (error) => log.debug({ err: error }, 'websocket failed')) // ws closes it and emits "close"
  socket.on('close', () => {
    metrics.sockets.dec()
    stopPings()
    clearInterval(heartbeats)
    end()
    writer.close()
    backlog.close()
  })
  void watchKey(currentSubscription.signal)
  handleFrames({
    socket,
    limits,
    onFrame: inUnit(onFrame),
    turn: () => roundRobin.next(actor.apiKeyId),
    onPing: inUnit((data: Buffer) => {
      if (writer.isFull()) return // RFC 6455 §5.5.3: not every ping needs a pong
      writer.send(new EncodedText(data), (bytes, done) => socket.pong(bytes, false, done))
    }),
    onRefused: inUnit(() =>
      send(renderError(new MailError('too_many_frames', { perSecond: limits.sockets.framesPerSecondMax }))),
    ),
    onFlood: inUnit(() => {
      close(POLICY_VIOLATION, 'too_many_frames')
      // The socket is no longer read, so the client's close frame would not be received.
      setTimeout(() => socket.terminate(), limits.sockets.closeMs).unref()
    }),
  })

  return () => pumping

  async function onFrame(text: string | undefined): Promise<void> {
    try {
      await needs.onFrame(parseFrame(text), { subscribe, add, send })
    } catch (error) {
      if (!(error instanceof MailError)) log.error({ err: error }, 'websocket frame failed')
      send(renderError(error instanceof MailError ? error : new MailError('internal_error', {}, { cause: error })))
    }
    if ((await writer.ready()) === 'stalled') close(TRY_AGAIN_LATER, 'stalled')
  }

  /** Until the socket subscribes, closes it when its key is revoked; afterwards the subscription ends with this reason. */
  async function watchKey(signal: AbortSignal): Promise<void> {
    try {
      if (await feed.untilRevoked(actor, signal)) close(POLICY_VIOLATION, 'revoked')
    } catch (error) {
      log.warn({ err: error }, 'cannot watch the key of an unsubscribed websocket')
    }
  }

  function subscribe(eventFilter: EventFilter, acknowledge: (cursor: string) => object, render: Render): Promise<void> {
    return replaceWith(eventFilter, acknowledge, render)
  }

  function add(eventFilter: EventFilter, acknowledge: (cursor: string) => object, render: Render): Promise<void> {
    const known = current
    const earlier = known && { events: known.events, sentCursor: () => known.sentCursor }
    return replaceWith(eventFilter, acknowledge, render, earlier)
  }

  /** @param earlier the current subscription, if the new one continues it */
  async function replaceWith(
    eventFilter: EventFilter,
    acknowledge: (cursor: string) => object,
    render: Render,
    earlier?: EarlierSubscription,
  ): Promise<void> {
    const next = new AbortController()
    const signal = AbortSignal.any([closed.signal, next.signal])
    const replaced = feed.subscribe(actor, eventFilter, signal, backlog, earlier).then((events) => {
      currentSubscription.abort('disconnected')
      currentSubscription = next
      current = { events, sentCursor: events.cursor }
      return events
    })
    filterChecked = replaced.catch(() => undefined) // the caller handles the error; the earlier filter continues
    const events = await replaced

    if (socket.readyState !== socket.OPEN) return next.abort('disconnected')
    send(acknowledge(events.cursor))
    pumping = pump(events, render, signal)
  }

  async function pump(events: AsyncIterable<Event>, render: Render, signal: AbortSignal): Promise<void> {
    const own = current // a later subscription replaces it
    const write = (text: EncodedText, { cursor }: Event) => {
      if (own) own.sentCursor = cursor
      return writer.write(text)
    }
    const ending = await pumpEvents({
      events,
      render,
      write,
      settled: () => filterChecked,
      pacer,
      signal,
      limits,
      log,
      metrics,
    })
    if (!ending) return
    if (ending.reason === 'failed' && ending.error.code !== 'internal_error') send(renderError(ending.error))
    close(...closeOf(ending, needs.stopCode))
  }

  function sendHeartbeat(): void {
    if (socket.readyState === socket.OPEN && socket.bufferedAmount === 0) send(needs.heartbeat!)
  }

  function send(frame: object): void {
    writer.send(new EncodedText(JSON.stringify(frame)))
  }

  function end(): void {
    closed.abort('disconnected')
    currentSubscription.abort('disconnected')
  }

  function close(code: number, reason: string): void {
    end()
    if (socket.readyState !== socket.OPEN) return
    metrics.socketsClosed.inc({ code })
    log.info({ code, reason }, 'websocket closed')
    socket.close(code, reason) // ws destroys it if the peer does not answer
  }

  /** Called when the memory budget is exceeded and no other client is slower. */
  function cutOff(): void {
    if (socket.readyState === socket.OPEN) {
      metrics.socketsClosed.inc({ code: TRY_AGAIN_LATER })
      log.info({ code: TRY_AGAIN_LATER, reason: 'too_slow', backlogBytes: backlog.bytes }, 'websocket closed')
    }
    end()
    writer.close()
    disconnect(CUT_OFF)
  }
}

/** Maps the reason of the end to a close code, which tells clients whether and when to reconnect. */
function closeOf(ending: Ending, stopCode: StopCode): [code: number, reason: string] {
  switch (ending.reason) {
    case 'stalled':
    case 'too_slow':
    case 'set_back':
      return [TRY_AGAIN_LATER, ending.reason]
    case 'revoked':
      return [POLICY_VIOLATION, 'revoked']
    case 'stopping':
      return [stopCode, 'stopping']
    case 'failed':
      return [INTERNAL_ERROR, ending.error.code]
  }
}

function sinkOf(socket: WebSocket): Sink {
  return {
    send: (bytes, done) => socket.send(bytes, { binary: false }, done), // a text frame; ws does not copy bytes
    isOpen: () => socket.readyState === socket.OPEN,
    waitingBytes: () => socket.bufferedAmount,
  }
}

/** @returns a function that stops the pings */
function startPings(socket: WebSocket, limits: Limits): () => void {
  let unanswered = 0
  socket.on('pong', () => {
    unanswered = 0
  })
  const timer = setInterval(() => {
    if (unanswered >= 2) return socket.terminate()
    unanswered += 1
    socket.ping()
  }, limits.sockets.pingMs)
  return () => clearInterval(timer)
}

/** @throws validation_error unless the frame is one JSON object */
function parseFrame(text: string | undefined): object {
  let frame: unknown
  try {
    frame = JSON.parse(text ?? '')
  } catch {
    frame = undefined
  }
  if (typeof frame === 'object' && frame !== null && !Array.isArray(frame)) return frame
  throw new MailError('validation_error', { detail: 'A frame must be a text frame that contains one JSON object' })
}
