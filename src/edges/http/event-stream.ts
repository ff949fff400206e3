/**
 * One response that never ends by itself: server-sent events (WHATWG HTML, "Server-sent events"), for every dialect.
 *
 *   feed.subscribe → head, `subscribed` → id and data of each event, a comment now and then → why it ends
 *
 * Every event has its cursor as its id, so that the client's `Last-Event-ID` brings it back to where it was. `subscribed`
 * has one too: who was told nothing yet resumes as well. It carries data, since several clients forget an id without.
 *
 * Slow reader: cut off. It reconnects with the last id that it read. Stop: what the feed gave is written, then the response
 *   ends, and clients come back after `limits.streamRetryMs`. Clients do not come back after an answer other than 200, so
 *   what is refused before the stream begins is refused for good, but for failures that pass (`answerComeBack`). A key that
 *   has too many streams open is refused with 429.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Log } from '../../log.ts'
import type { KeyActor } from '../../mail/access/actor.ts'
import type { Event, Feed, Interest } from '../../mail/events/event.ts'
import type { Metrics } from '../../metrics.ts'
import type { BacklogBudget } from './backlog-budget.ts'
import { EncodedText } from './encoded-text.ts'
import type { Streams } from './streams.ts'
import { type Ending, type Outlet, type Render, tellAll, Writer } from './telling.ts'
import type { WritePacer } from './write-pacer.ts'

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // nginx and those who follow it would keep events back until a buffer is full.
  'x-accel-buffering': 'no',
}

const HEARTBEAT = Buffer.from(':\n\n')

/** The same for every stream of an event's text, which has the event's cursor in it. */
const blocks = new WeakMap<EncodedText, EncodedText>()

interface EventStreamNeeds {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly actor: KeyActor
  readonly interest: Interest
  /** Told first, with the place where it starts. */
  readonly acknowledgement: object
  readonly render: Render
  readonly renderError: (error: MailError) => object
  readonly feed: Feed
  readonly streams: Pick<Streams, 'admit'>
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
  readonly limits: Limits
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Takes the response over.
 *
 * @returns resolves, once the feed has ended, when what it gave before has left this process; undefined when the client
 *   has gone already
 * @throws too_many_connections, and as Feed.subscribe, while nothing is written yet
 */
export async function openEventStream(needs: EventStreamNeeds): Promise<(() => Promise<void>) | undefined> {
  const { reply, actor, interest, acknowledgement, render, feed, streams, budget, pacer, limits, metrics } = needs
  const log = needs.log.child({ requestId: needs.request.id, apiKeyId: actor.apiKeyId })
  const response = reply.raw
  if (response.destroyed) return void reply.hijack() // "close" comes once, and it came before it could be listened for
  streams.admit(reply, actor.apiKeyId)
  const gone = new AbortController()
  const backlog = budget.open(cutOff)
  const writer = new Writer(outletOf(response), limits, backlog)
  response.once('close', () => {
    gone.abort()
    writer.close()
    backlog.close()
  })
  const events = await feed.subscribe(actor, interest, gone.signal, backlog)

  reply.hijack()
  if (response.destroyed) return undefined
  metrics.streams.inc()
  response.once('close', () => metrics.streams.dec())
  response.on('error', (error) => log.debug({ err: error }, 'event stream failed')) // Node closes it
  response.writeHead(200, HEADERS)
  const subscribed = block({ event: 'subscribed', id: events.cursor, data: JSON.stringify(acknowledgement) })
  writer.send(new EncodedText(`retry: ${limits.streamRetryMs}\n${subscribed}`))
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) writer.send(new EncodedText(HEARTBEAT)) // who has something to read needs no sign of life
  }, limits.streamHeartbeatMs)

  const telling = tell()
  return () => telling

  async function tell(): Promise<void> {
    const ending = await tellAll({
      ...{ events, render, pacer, limits, log, metrics, signal: gone.signal },
      write: (text, event) => writer.write(blockOf(text, event)),
    })
    clearInterval(heartbeat)
    gone.abort()
    if (ending && !response.destroyed) await end(ending)
  }

  /** The budget is spent, and no other reader is slower. */
  function cutOff(): void {
    if (!gone.signal.aborted) log.info({ reason: 'too_slow', backlogBytes: backlog.bytes }, 'event stream ended')
    gone.abort()
    writer.close()
    response.destroy()
  }

  async function end(ending: Ending): Promise<void> {
    log.info(
      { reason: ending.reason, ...(ending.reason === 'failed' && { code: ending.error.code }) },
      'event stream ended',
    )
    if (ending.reason === 'stalled') return void response.destroy()
    for (const last of lastWords(ending)) writer.send(new EncodedText(last))
    response.end()
    // Whoever does not read the rest is cut off like a stalled reader.
    const timer = setTimeout(() => response.destroy(), limits.socketStallMs)
    await new Promise<void>((resolve) => response.once('close', resolve).once('finish', resolve))
    clearTimeout(timer)
  }

  /** No id: the place to come back to stays where it was. After the others the client just comes back. */
  function lastWords(ending: Ending): string[] {
    if (ending.reason === 'revoked') return [block({ event: 'end', data: JSON.stringify({ reason: 'revoked' }) })]
    if (ending.reason !== 'failed') return []
    const { error } = ending
    if (error.code === 'cursor_expired') {
      return [block({ event: 'cursor_expired', data: JSON.stringify(needs.renderError(error)) })]
    }
    return [block({ event: 'end', data: JSON.stringify({ reason: error.code }) })]
  }
}

/** Of the last event that the client was told: the header, which wins over the URL that it repeats, or nothing. */
export function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id']
  return typeof header === 'string' && header !== '' ? header : undefined
}

/**
 * Answers a failure that passes so that an EventSource tries again: with a stream that ends at once. Other clients hear of
 * the failure itself.
 *
 * @returns whether it has answered
 */
export function answerComeBack(error: unknown, request: FastifyRequest, reply: FastifyReply, limits: Limits): boolean {
  const isPassing = error instanceof MailError && error.kind === 'temporary'
  if (!isPassing || !request.headers.accept?.includes('text/event-stream')) return false
  reply.code(200).headers(HEADERS).send(`retry: ${limits.streamRetryMs}\n\n`)
  return true
}

function blockOf(text: EncodedText, { cursor }: Event): EncodedText {
  const known = blocks.get(text)
  if (known) return known
  const made = new EncodedText(block({ id: cursor, data: text.toString() }))
  blocks.set(text, made)
  return made
}

/** @param fields each of one line: cursors are base64url, and JSON has no line ends */
function block(fields: { readonly event?: string; readonly id?: string; readonly data: string }): string {
  return `${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')}\n`
}

function outletOf(response: FastifyReply['raw']): Outlet {
  return {
    send(bytes, done) {
      const { socket } = response
      if (response.destroyed || !socket) return done()
      socket.cork() // the parts of a chunk in one call, and at once: Node would wait for the end of this turn
      response.write(bytes, done)
      socket.uncork()
    },
    isOpen: () => !response.destroyed,
    waitingBytes: () => response.writableLength,
  }
}
