/**
 * How many bytes of request bodies this process holds at once. A JSON body is read whole, parsed and decoded, so that one of
 * 70 MiB takes several times that for a moment: what is admitted here bounds the heap, whatever clients send.
 *
 *   key and permission → admit → body → handler → answer → the bytes are free again
 *
 * A declared length counts before the first byte is read, a chunked body as it arrives. Small bodies have a budget of their
 * own, so that large ones block none of them. In both budgets one key and one pod get only a share; but a key without a body
 * under way may take what is left, since a body larger than a share must not be refused for good.
 *
 * A refused body is not read: the answer ends the connection (server.ts). A client that hangs up while its message is being
 * stored frees nothing, because the handler still has the body. Must not: read a body or know a dialect.
 */
import { Transform } from 'node:stream'
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify'
import { MailError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Metrics } from '../../metrics.ts'

/** Shares of a budget that one API key, and all keys of one pod, may have under way. */
const KEY_SHARE = 1 / 2
const POD_SHARE = 3 / 4

export interface BodyBudget {
  /**
   * Counts the body of a request, to be called before it is read and after the key was checked.
   *
   * @returns the stream to read the body from
   * @throws too_many_bodies
   */
  admit(request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): RequestPayload
  /** Says that the handler is done, so that the body is garbage once the connection is done with it too. */
  answered(request: FastifyRequest): void
}

interface BodyBudgetNeeds {
  readonly limits: Pick<Limits, 'httpSmallBodyBytesMax' | 'httpSmallBodiesBytesMax' | 'httpLargeBodiesBytesMax'>
  readonly metrics: Pick<Metrics, 'httpBodyBytes'>
}

/** A counted body, and what may still refer to it: the connection and the handler. */
interface Hold {
  readonly body: CountedBody
  isClosed: boolean
  isAnswered: boolean
}

export function createBodyBudget({ limits, metrics }: BodyBudgetNeeds): BodyBudget {
  const gauge = (budget: string) => (bytes: number) => metrics.httpBodyBytes.set({ budget }, bytes)
  const small = createBudget(limits.httpSmallBodiesBytesMax, gauge('small'))
  const large = createBudget(limits.httpLargeBodiesBytesMax, gauge('large'))
  const budgetOf = (bytes: number) => (bytes > limits.httpSmallBodyBytesMax ? large : small)
  const holds = new WeakMap<FastifyRequest, Hold>()

  return {
    admit(request, reply, payload) {
      const declared = declaredBytes(request)
      // A client that has hung up meanwhile sends no body, and nothing would give back what it took.
      if (declared === 'none' || reply.raw.destroyed) return payload
      const body = createCountedBody(budgetOf, ownersOf(request))
      if (declared !== 'chunked') body.grow(declared)
      const hold: Hold = { body, isClosed: false, isAnswered: false }
      holds.set(request, hold)
      reply.raw.once('close', () => {
        hold.isClosed = true
        if (hold.isAnswered || !request.raw.complete) body.free() // no handler begins before the body is complete
      })
      return declared === 'chunked' ? countArriving(payload, body) : payload
    },

    answered(request) {
      const hold = holds.get(request)
      if (!hold) return
      hold.isAnswered = true
      if (hold.isClosed) hold.body.free()
    },
  }
}

/** What is going to be read. A body over the route's limit is refused unread, and one of a GET is never read. */
function declaredBytes({ method, headers, routeOptions }: FastifyRequest): number | 'chunked' | 'none' {
  if (method === 'GET' || method === 'HEAD') return 'none'
  if (headers['transfer-encoding'] !== undefined) return 'chunked'
  const bytes = Number(headers['content-length'] ?? 0)
  return bytes === 0 || bytes > (routeOptions.bodyLimit ?? Number.POSITIVE_INFINITY) ? 'none' : bytes
}

/** Passes a chunked body on, and ends it with the error as soon as there is no room for more. */
function countArriving(payload: RequestPayload, body: CountedBody): RequestPayload {
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        body.grow(chunk.length)
      } catch (error) {
        return done(error as Error)
      }
      done(null, chunk)
    },
  })
  payload.once('error', (error) => counter.destroy(error)) // the client hung up
  return payload.pipe(counter)
}

interface Owner {
  readonly id: string
  /** Share of a budget that all its bodies together may have. */
  readonly share: number
}

function ownersOf({ actor }: FastifyRequest): Owner[] {
  if (!actor) return [{ id: 'nobody', share: KEY_SHARE }] // no route reads a body before it knows the key
  return [
    { id: `key ${actor.apiKeyId}`, share: KEY_SHARE },
    { id: `pod ${actor.podId ?? actor.organizationId}`, share: POD_SHARE },
  ]
}

interface CountedBody {
  /** @throws too_many_bodies, and counts as before */
  grow(bytes: number): void
  free(): void
}

function createCountedBody(budgetOf: (bytes: number) => Budget, owners: readonly Owner[]): CountedBody {
  let bytes = 0
  let isFree = false
  return {
    grow(more) {
      if (isFree) return
      const before = budgetOf(bytes)
      const after = budgetOf(bytes + more)
      after.take(owners, after === before ? more : bytes + more)
      if (after !== before) before.give(owners, bytes)
      bytes += more
    },
    free() {
      if (!isFree) budgetOf(bytes).give(owners, bytes)
      isFree = true
    },
  }
}

interface Budget {
  /** @throws too_many_bodies */
  take(owners: readonly Owner[], bytes: number): void
  give(owners: readonly Owner[], bytes: number): void
}

/** @param onChange called with the bytes that are taken */
function createBudget(bytesMax: number, onChange: (bytes: number) => void): Budget {
  const taken = new Map<string, number>()
  let total = 0

  return {
    take(owners, bytes) {
      if (!hasRoom(owners, bytes)) throw new MailError('too_many_bodies', {})
      change(owners, bytes)
    },
    give: (owners, bytes) => change(owners, -bytes),
  }

  function hasRoom(owners: readonly Owner[], bytes: number): boolean {
    if (total === 0) return true // also one that is larger than the budget
    if (total + bytes > bytesMax) return false
    return owners.every(({ id, share }) => {
      const own = taken.get(id) ?? 0
      return own === 0 || own + bytes <= share * bytesMax
    })
  }

  function change(owners: readonly Owner[], difference: number): void {
    total += difference
    for (const { id } of owners) {
      const own = (taken.get(id) ?? 0) + difference
      if (own === 0) taken.delete(id)
      else taken.set(id, own)
    }
    onChange(total)
  }
}
