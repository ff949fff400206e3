/**
 * Limits the memory of large responses in this process: the messages that they contain, and the bytes that their
 * clients have not read yet. A message can have 16 MiB of JSON, and a client can request it many times at once and then
 * read nothing.
 *
 *   route → size of the messages → reserve, or wait → load, render → send in chunks → release
 *
 * Bytes count from before the messages are loaded until the response has left the process or its connection is closed.
 * When the budget is used up, further requests wait, round robin over API keys, in a queue that is limited in length and
 * time, and whose places are divided among pods. A request that waits for the share of its own key or pod does not delay
 * other keys. Small responses do not count.
 *
 * A message that is composed from stored ones has its attachments in memory, which may be larger than all of this budget. It
 * has a budget of its own, with the same rules: otherwise the responses of others would wait for one large forward.
 *
 * Slow client: disconnected when it reads nothing for `limits.http.responseStallMs`. While requests of other keys wait,
 *   the client that has read nothing for longest is disconnected after `limits.http.responseStallBusyMs`
 *   (response-chunks.ts says what can be measured).
 * Response without a reservation, such as a list: counted when it is rendered. A GET gets 503 if it does not fit.
 * Request with a large body: does not wait, because its body would use the memory for bodies meanwhile.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'
import { MailError } from '../../../../errors.ts'
import type { Log } from '../../../../log.ts'
import type { BodyMemory } from '../../../../mail/access/body-memory.ts'
import { createMemoryQueue, type Holder, type MemoryQueue } from './memory-queue.ts'
import { bytesInChunks, isStream, passThrough } from './response-chunks.ts'
import { createRoundRobin } from './round-robin.ts'
import { ownersOf, tenantOf } from './shared-budget.ts'

export interface ResponseBudget {
  /** Returns the memory for the messages that a response will contain. It is released with the response. */
  memoryOf(request: FastifyRequest, reply: FastifyReply): BodyMemory
  /** Returns the memory for a message that a request composes from a stored one or a draft. It is released as the other. */
  composingMemoryOf(request: FastifyRequest, reply: FastifyReply): BodyMemory
  /**
   * Call this when a response is rendered.
   *
   * @param payload as Fastify's onSend hook gets it
   * @returns what to send instead, for a large response a promise of it
   * @throws too_many_responses
   */
  send(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown
  /** Call this for a request that ends without a response. */
  unanswered(request: FastifyRequest): void
  /** Bytes that count at present. */
  usedBytes(): number
  /** Bytes of messages that are being composed. */
  composingBytes(): number
  /** Requests that wait for memory, of either kind. */
  waitingCount(): number
}

interface ResponseBudgetNeeds {
  readonly limits: Limits
  readonly log: Log
  /** Returns the bytes of a request's body that are in memory. */
  readonly bodyBytesOf: (request: FastifyRequest) => number
}

/** A request whose memory is counted. */
interface Counted extends Holder {
  isClosed: boolean
  isRendered: boolean
}

interface Budget {
  readonly queue: MemoryQueue
  readonly counted: WeakMap<FastifyRequest, Counted>
}

export function createResponseBudget({ limits, log, bodyBytesOf }: ResponseBudgetNeeds): ResponseBudget {
  const { smallResponseBytesMax, smallBodyBytesMax } = limits.http
  const forResponses = createBudget(limits.http.responsesBytesMax)
  const forComposing = createBudget(limits.sending.composedBytesMax)
  const { queue } = forResponses
  const turns = createRoundRobin()
  /** For one text at a time. */
  const utf8 = Buffer.allocUnsafeSlow(UTF8_BYTES_PER_CHAR_MAX * smallResponseBytesMax)

  return {
    memoryOf(request, reply) {
      releaseMemory(forComposing, request) // a response comes after what it reports
      return memoryOf(forResponses, request, reply)
    },
    composingMemoryOf: (request, reply) => memoryOf(forComposing, request, reply),

    send(request, reply, payload) {
      releaseMemory(forComposing, request)
      // A response to HEAD is only measured.
      const body = request.method === 'HEAD' ? payload : encoded(payload)
      if (request.method === 'HEAD' || !isLarge(body, smallResponseBytesMax)) {
        releaseMemory(forResponses, request)
        const progressed = watch(request, reply)
        return isStream(body) ? passThrough(body, progressed) : body
      }
      return sendLarge(request, reply, body)
    },

    unanswered(request) {
      releaseMemory(forComposing, request)
      releaseMemory(forResponses, request)
    },

    usedBytes: queue.usedBytes,
    composingBytes: forComposing.queue.usedBytes,
    waitingCount: () => queue.waitingCount() + forComposing.queue.waitingCount(),
  }

  function createBudget(bytesMax: number): Budget {
    return { queue: createMemoryQueue(limits, bytesMax), counted: new WeakMap() }
  }

  function memoryOf(budget: Budget, request: FastifyRequest, reply: FastifyReply): BodyMemory {
    const holder = countedOf(budget, request, reply)
    return {
      freeBytes: smallResponseBytesMax,
      async reserve(bytes) {
        budget.queue.resize(holder, 0)
        if (holder.isClosed) throw new MailError('too_many_responses', {}) // no one reads this
        if (bytes <= smallResponseBytesMax) return false
        return budget.queue.enter(holder, bytes, bodyBytesOf(request) <= smallBodyBytesMax)
      },
      nextTurn: () => nextTurn(holder),
    }
  }

  async function sendLarge(request: FastifyRequest, reply: FastifyReply, payload: string | Buffer): Promise<unknown> {
    const response = countedOf(forResponses, request, reply)
    if (response.bytes === 0 && request.method === 'GET' && !queue.take(response, payload.length))
      throw new MailError('too_many_responses', {})
    queue.resize(response, Math.max(response.bytes, payload.length))
    // In a separate turn of the event loop. As a Buffer, outside of the JavaScript heap: a slow client may keep it for long.
    await nextTurn(response)
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload)
    response.isRendered = true
    queue.resize(response, response.isClosed ? 0 : bytes.length)
    reply.header('content-length', bytes.length)
    return bytesInChunks(bytes, watch(request, reply, response))
  }

  /**
   * Encodes texts that may be small, once: Fastify would encode one to measure it, Node to send it, and this file to find out whether it
   * is small.
   */
  function encoded(payload: unknown): unknown {
    if (typeof payload !== 'string') return payload
    if (payload.length <= SHORT_CHARS_MAX || payload.length > smallResponseBytesMax) return payload
    return Buffer.from(utf8.subarray(0, utf8.write(payload))) // a copy
  }

  function countedOf({ queue, counted }: Budget, request: FastifyRequest, reply: FastifyReply): Counted {
    const known = counted.get(request)
    if (known) return known
    const response: Counted = {
      apiKeyId: request.actor?.apiKeyId,
      owners: ownersOf(request),
      tenant: tenantOf(request),
      bytes: 0,
      progressedAtMs: undefined,
      cutOff: () => cutOff(request, reply, 'memory'),
      isClosed: reply.raw.destroyed,
      isRendered: false,
    }
    counted.set(request, response)
    reply.raw.once('close', () => {
      response.isClosed = true
      queue.leave(response)
      // Until then, the handler still uses the messages that it has loaded.
      if (response.isRendered) queue.resize(response, 0)
    })
    return response
  }

  function nextTurn({ apiKeyId = '' }: Counted): Promise<void> {
    return turns.next(apiKeyId)
  }

  /** Releases the memory of a response that has turned out to be small, or is not sent at all. */
  function releaseMemory({ queue, counted }: Budget, request: FastifyRequest): void {
    const response = counted.get(request)
    if (!response) return
    response.isRendered = true
    queue.resize(response, 0)
  }

  /**
   * Disconnects the client if it stops reading.
   *
   * @returns a function to call whenever a part of the response has left the process
   */
  function watch(request: FastifyRequest, reply: FastifyReply, response?: Counted): () => void {
    const timer = setTimeout(() => cutOff(request, reply, 'stalled'), limits.http.responseStallMs)
    if (reply.raw.destroyed) clearTimeout(timer)
    else reply.raw.once('close', () => clearTimeout(timer))
    progressed()
    return progressed

    function progressed(): void {
      timer.refresh()
      if (response) response.progressedAtMs = performance.now()
    }
  }

  function cutOff(request: FastifyRequest, reply: FastifyReply, reason: 'stalled' | 'memory'): void {
    if (reply.raw.destroyed) return
    log.info({ requestId: request.id, reason }, 'response aborted: its client does not read it')
    reply.raw.destroy()
  }
}

const UTF8_BYTES_PER_CHAR_MAX = 3

/** Shorter texts are sent as they are: they take less time than another piece of memory. */
const SHORT_CHARS_MAX = 2_048

/**
 * @param body as `encoded` returns it
 * @returns false for a stream, which is sent as fast as it is read, and never in memory as a whole
 */
function isLarge(body: unknown, bytesMax: number): body is string | Buffer {
  return (Buffer.isBuffer(body) || typeof body === 'string') && body.length > bytesMax
}
