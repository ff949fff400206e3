/**
 * Server-sent events (WHATWG HTML, "Server-sent events") for every dialect: one response that stays open.
 *
 *   feed.subscribe → response head, `subscribed` → id and data of each event, heartbeat comments → reason of the end
 *
 * Every event has its cursor as its id, so that a client resumes with `Last-Event-ID` at its position. `subscribed` has
 * an id too, so that a client that has received no event yet can resume as well. It has data, since several clients
 * ignore an id without data.
 *
 * Slow client: disconnected. It reconnects with the last id that it read.
 * Stop: all events that the feed delivered are written, then the response ends, and clients reconnect after
 *   `limits.streams.retryMs`.
 * Error: clients do not reconnect after a status other than 200, so an error before the stream begins is final, except
 *   for temporary errors and too many requests (`answerWithRetry`). A key with too many open streams gets 429.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../../config/limits.ts'
import { isMailError, isTemporary, MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { Feed, SubscribedEvents } from '../../../mail/events/feed/feed.ts'
import type { EventFilter } from '../../../mail/events/feed/subscription-filter.ts'
import type { Event } from '../../../mail/events/log/event.ts'
import type { Metrics } from '../../../metrics.ts'
import type { BacklogBudget } from '../server/memory/backlog-budget.ts'
import type { WritePacer } from '../server/memory/write-pacer.ts'
import type { SseRegistry } from '../server/sse-registry.ts'
import { EncodedText } from './encoded-text.ts'
import { type Ending, pumpEvents, type Render } from './event-pump.ts'
import { CUT_OFF, type Sink, SinkWriter } from './sink-writer.ts'

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // Without this, nginx and proxies that support its header would delay events until a buffer is full.
  'x-accel-buffering': 'no',
}

const HEARTBEAT = Buffer.from(':\n\n')

/** Blocks are shared by all streams that send the same text, which already contains the event's cursor. */
const blocks = new WeakMap<EncodedText, EncodedText>()

interface EventStreamNeeds {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly actor: KeyActor
  /** With the cursor of the URL, which that in `Last-Event-ID` replaces. */
  readonly eventFilter: EventFilter
  /** Sent first, with the cursor of the start position. */
  readonly acknowledgement: object
  readonly render: Render
  readonly renderError: (error: MailError) => object
  readonly feed: Feed
  readonly streams: Pick<SseRegistry, 'admit'>
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Takes over the response.
 *
 * @returns a function whose promise resolves when the subscription has ended and all its events have left this process;
 *   undefined if the client has already disconnected
 * @throws too_many_connections, and as Feed.subscribe, before anything is written
 */
export async function openEventStream(needs: EventStreamNeeds): Promise<(() => Promise<void>) | undefined> {
  const { reply, actor, eventFilter, acknowledgement, render, feed, streams, budget, pacer, limits, metrics } = needs
  const log = needs.log.child({ requestId: needs.request.id, apiKeyId: actor.apiKeyId })
  const response = reply.raw
  if (response.destroyed) return void reply.hijack() // "close" is emitted only once, and it was emitted already
  streams.admit(reply, actor.apiKeyId)
  const gone = new AbortController()
  const backlog = budget.open(cutOff)
  const writer = new SinkWriter(sinkOf(response), limits, backlog)
  response.once('close', () => {
    // A reason: otherwise Node creates an error with a stack trace for each of a thousand streams that close at once.
    gone.abort('disconnected')
    writer.close()
    backlog.close()
  })
  const events = await subscribe()

  reply.hijack()
  if (response.destroyed) return undefined
  metrics.streams.inc()
  response.once('close', () => metrics.streams.dec())
  response.on('error', (error) => log.debug({ err: error }, 'event stream failed')) // Node closes it
  // With those that hooks have set, such as the header fields for pages of other origins.
  response.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...HEADERS })
  const subscribed = block({ event: 'subscribed', id: events.cursor, data: JSON.stringify(acknowledgement) })
  writer.send(new EncodedText(`retry: ${limits.streams.retryMs}\n${subscribed}`))
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) writer.send(new EncodedText(HEARTBEAT)) // not while other data waits to be read
  }, limits.streams.heartbeatMs)

  const pumping = pump()
  return () => pumping

  async function subscribe(): Promise<SubscribedEvents> {
    const lastId = lastEventId(needs.request)
    if (lastId === undefined) return feed.subscribe(actor, eventFilter, gone.signal, backlog)
    try {
      return await feed.subscribe(actor, { ...eventFilter, after: lastId }, gone.signal, backlog)
    } catch (error) {
      throw namingHeader(error)
    }
  }

  async function pump(): Promise<void> {
    const ending = await pumpEvents({
      events,
      render,
      pacer,
      limits,
      log,
      metrics,
      signal: gone.signal,
      write: (text, event) => writer.write(blockOf(text, event)),
    })
    clearInterval(heartbeat)
    gone.abort('disconnected')
    if (ending && !response.destroyed) await endStream(response, writer, ending, { ...needs, log })
  }

  /** Called when the memory budget is exceeded and no other client is slower. */
  function cutOff(): void {
    if (!gone.signal.aborted) log.info({ reason: 'too_slow', backlogBytes: backlog.bytes }, 'event stream ended')
    gone.abort('disconnected')
    writer.close()
    response.destroy(CUT_OFF)
  }
}

/** Sends the last blocks, ends the response, and waits until the client has read it or is disconnected. */
async function endStream(
  response: FastifyReply['raw'],
  writer: SinkWriter,
  ending: Ending,
  { log, limits, renderError }: Pick<EventStreamNeeds, 'limits' | 'log' | 'renderError'>,
): Promise<void> {
  log.info(
    { reason: ending.reason, ...(ending.reason === 'failed' && { code: ending.error.code }) },
    'event stream ended',
  )
  if (ending.reason === 'stalled') return void response.destroy(CUT_OFF)
  for (const last of finalBlocks(ending, renderError)) writer.send(new EncodedText(last))
  response.end()
  // A client that does not read the rest is disconnected like a stalled one.
  const timer = setTimeout(() => response.destroy(CUT_OFF), limits.sockets.stallMs)
  await new Promise<void>((resolve) => response.once('close', resolve).once('finish', resolve))
  clearTimeout(timer)
}

/**
 * Returns the last block of a stream: for a revoked key or an error. It has no id, so that the client keeps its
 * position. After any other end there is no such block, and the client just reconnects.
 */
function finalBlocks(ending: Ending, renderError: EventStreamNeeds['renderError']): string[] {
  if (ending.reason === 'revoked') return [block({ event: 'end', data: JSON.stringify({ reason: 'revoked' }) })]
  if (ending.reason !== 'failed') return []
  const { error } = ending
  if (error.code === 'cursor_expired') {
    return [block({ event: 'cursor_expired', data: JSON.stringify(renderError(error)) })]
  }
  return [block({ event: 'end', data: JSON.stringify({ reason: error.code }) })]
}

/**
 * @returns the id of the last event that the client received, or undefined. It takes precedence over the cursor in the
 *   URL, because a client that reconnects repeats the URL
 */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id']
  return typeof header === 'string' && header !== '' ? header : undefined
}

/** An error about `after` is one about the header field that replaced it. */
function namingHeader(error: unknown): unknown {
  if (!isMailError(error, 'validation_error') || error.params.path?.[0] !== 'after') return error
  return new MailError('validation_error', { ...error.params, path: ['Last-Event-ID'] }, { cause: error })
}

/**
 * Responds to an error that passes so that an EventSource retries: with a stream that ends at once. Other clients get the
 * error itself.
 *
 * @returns whether it has sent the response
 */
export function answerWithRetry(error: unknown, request: FastifyRequest, reply: FastifyReply, limits: Limits): boolean {
  // Of these, clients that wait get over it. A key with too many streams does not.
  const isPassing = isTemporary(error) || isMailError(error, 'rate_limit_exceeded')
  if (!isPassing || !request.headers.accept?.includes('text/event-stream')) return false
  reply.code(200).headers(HEADERS).send(`retry: ${limits.streams.retryMs}\n\n`)
  return true
}

function blockOf(text: EncodedText, { cursor }: Event): EncodedText {
  const known = blocks.get(text)
  if (known) return known
  const made = new EncodedText(block({ id: cursor, data: text.toString() }))
  blocks.set(text, made)
  return made
}

/** @param fields values without line breaks: cursors are base64url, and our JSON contains no line breaks */
function block(fields: { readonly event?: string; readonly id?: string; readonly data: string }): string {
  return `${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')}\n`
}

function sinkOf(response: FastifyReply['raw']): Sink {
  return {
    send(bytes, done) {
      const { socket } = response
      if (response.destroyed || !socket) return done()
      socket.cork() // writes all parts of the chunk in one system call now; Node would wait until the end of this turn
      response.write(bytes, done)
      socket.uncork()
    },
    isOpen: () => !response.destroyed,
    waitingBytes: () => response.writableLength,
  }
}
