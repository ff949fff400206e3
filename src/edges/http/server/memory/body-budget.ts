/**
 * Limits the bytes of request bodies that this process has in memory at once. A JSON body is read as a whole, parsed
 * and decoded, so a body of 70 MiB briefly uses several times its size. This budget bounds the heap, whatever clients
 * send.
 *
 *   key and permission → admit → body → handler → response → the bytes are released
 *
 * A body with a Content-Length counts before its first byte is read; a chunked body counts as the buffer for it grows. Small bodies
 * have a separate budget, so that large bodies cannot block them. In both budgets, one key and one pod get only a
 * share (shared-budget.ts).
 *
 * A rejected body is not read: the response ends the connection (http-server.ts). When a client disconnects while its
 * message is being stored, nothing is released yet, because the handler still uses the body. Must not: read a body or
 * know a dialect.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'
import { MailError } from '../../../../errors.ts'
import type { RequestMemory } from '../../../../mail/access/body-memory.ts'
import { declaredLength } from '../requests/read-body.ts'
import { type BudgetOwner, ownersOf, SharedBudget } from './shared-budget.ts'

export interface BodyBudget {
  /**
   * Counts the body of a request. Call this after the key is checked and before the body is read.
   *
   * @throws too_many_bodies
   */
  admit(request: FastifyRequest, reply: FastifyReply): void
  /**
   * Counts more bytes for a body without a Content-Length.
   *
   * @throws too_many_bodies
   */
  grow(request: FastifyRequest, bytes: number): void
  /** Call this when the handler has finished. The body is released when the connection has also finished with it. */
  answered(request: FastifyRequest): void
  /** Returns the memory for what the handler loads beside the body. It counts like a part of the body. */
  memoryOf(request: FastifyRequest): RequestMemory
  /** Returns the bytes of a request's body that count. */
  bytesOf(request: FastifyRequest): number
  /** Bytes that count into each budget at present, for metrics: a gauge per chunk would cost more than the chunk. */
  usedBytes(): { readonly small: number; readonly large: number }
}

interface BodyBudgetNeeds {
  readonly limits: Limits
}

/** A counted body, and whether the connection and the handler may still refer to it. */
interface Reserved {
  readonly body: CountedBody
  isClosed: boolean
  isAnswered: boolean
}

export function createBodyBudget({ limits }: BodyBudgetNeeds): BodyBudget {
  const small = new SharedBudget(limits.http.smallBodiesBytesMax)
  const large = new SharedBudget(limits.http.largeBodiesBytesMax)
  const budgetOf = (bytes: number) => (bytes > limits.http.smallBodyBytesMax ? large : small)
  const reservations = new WeakMap<FastifyRequest, Reserved>()

  return {
    usedBytes: () => ({ small: small.usedBytes, large: large.usedBytes }),

    memoryOf: (request) => ({ add: (bytes) => reservations.get(request)?.body.grow(bytes) }),

    bytesOf: (request) => reservations.get(request)?.body.bytes() ?? 0,

    grow: (request, bytes) => reservations.get(request)?.body.grow(bytes),

    admit(request, reply) {
      const declared = declaredBytes(request)
      // A client that has already disconnected sends no body, and no event would release its bytes.
      if (declared === 'none' || reply.raw.destroyed) return
      const body = createCountedBody(budgetOf, ownersOf(request))
      if (declared !== 'chunked') body.grow(declared)
      const reserved: Reserved = { body, isClosed: false, isAnswered: false }
      reservations.set(request, reserved)
      reply.raw.once('close', () => {
        reserved.isClosed = true
        // No handler starts before the body is complete.
        if (reserved.isAnswered || !request.raw.complete) body.release()
      })
    },

    answered(request) {
      const reserved = reservations.get(request)
      if (!reserved) return
      reserved.isAnswered = true
      if (reserved.isClosed) reserved.body.release()
    },
  }
}

/**
 * Returns the bytes that will be read: none of a body above the route's limit (rejected unread) or of a GET (ignored).
 */
function declaredBytes({ method, headers, routeOptions }: FastifyRequest): number | 'chunked' | 'none' {
  if (method === 'GET' || method === 'HEAD') return 'none'
  const bytes = declaredLength(headers)
  if (bytes === undefined) return 'chunked'
  return bytes === 0 || bytes > (routeOptions.bodyLimit ?? Number.POSITIVE_INFINITY) ? 'none' : bytes
}

interface CountedBody {
  bytes(): number
  /** @throws too_many_bodies; the count is then unchanged */
  grow(bytes: number): void
  release(): void
}

function createCountedBody(budgetOf: (bytes: number) => SharedBudget, owners: readonly BudgetOwner[]): CountedBody {
  let bytes = 0
  let isReleased = false
  return {
    bytes: () => bytes,
    grow(more) {
      if (isReleased) return
      const before = budgetOf(bytes)
      const after = budgetOf(bytes + more)
      const taken = after === before ? more : bytes + more
      if (after.obstacle(owners, taken)) throw new MailError('too_many_bodies', {})
      after.change(owners, taken)
      if (after !== before) before.change(owners, -bytes)
      bytes += more
    },
    release() {
      if (!isReleased) budgetOf(bytes).change(owners, -bytes)
      isReleased = true
    },
  }
}
