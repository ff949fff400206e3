/**
 * The error handler for all dialects: maps each error to an entry of the error catalogue, which the dialect of the path
 * renders. Unexpected errors are logged here; only the log contains their details.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { MailError } from '../../../errors.ts'
import type { WorkQueue } from '../../../event-loop.ts'
import type { Log } from '../../../log.ts'
import { DamagedContent } from '../../../mail/messages/content/damaged-content.ts'
import type { Dialect } from './http-dialect.ts'
import { addRateHeaders } from './rate-headers.ts'
import { loggedPath } from './requests/request-log.ts'
import { withIgnored } from './requests/unknown-members.ts'

interface ErrorHandlerNeeds {
  readonly log: Log
  readonly dialectOf: (url: string | undefined) => Dialect
  /** Called for a request that ends without a response. */
  readonly unanswered: (request: FastifyRequest) => void
  readonly workQueue: Pick<WorkQueue, 'begin'>
}

export interface ErrorHandler {
  /** Responds with the error, as the dialect of the path renders it. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void
  /**
   * Responds to input that Node's parser rejected, or that did not arrive in time. No request object exists, and the socket
   * may already be closed. Thousands of connections can time out in one turn of the event loop, so they wait their turn.
   */
  answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void
}

export function createErrorHandler(needs: ErrorHandlerNeeds): ErrorHandler {
  const { log, dialectOf, unanswered, workQueue } = needs

  return {
    answer(error, request, reply) {
      const known = withIgnored(toMailError(error), request)
      request.errorCode = known.code
      request.apiKeyId ??= keyOf(known)
      if (known.kind === 'internal') {
        log.error(
          { requestId: request.id, method: request.method, path: loggedPath(request), err: error },
          'request failed',
        )
      }
      if (known.kind === 'unknown') {
        // Any response could be wrong, and clients retry after a 5xx. They know how to handle a broken connection.
        log.warn({ requestId: request.id, path: loggedPath(request) }, 'outcome unknown; closed without a response')
        reply.hijack()
        request.raw.socket.destroy() // request.raw.destroy() leaves the connection open after the body was read
        unanswered(request)
        return
      }
      const { status, body } = dialectOf(request.raw.url).renderError(known)
      reply.code(status).header('x-request-id', request.id)
      if (isTransient(known)) reply.header('retry-after', retryAfterOf(known))
      if ('rate' in known.params && known.params.rate) addRateHeaders(reply, known.params.rate)
      reply.type('application/json; charset=utf-8').send(body)
    },

    answerUnreadable(error, socket) {
      // At once: requests of this connection look whether it is destroyed before they begin.
      if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
      workQueue.begin(() => refuse(error, socket))
    },
  }

  function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (!socket.writable) return void socket.destroy() // meanwhile
    const [status, detail] = unreadable(error.code)
    log.info({ status, code: error.code }, 'malformed request')
    const failure = new MailError('validation_error', { detail })
    writeFailure(socket, dialectOf(undefined), failure, status)
  }
}

/** RFC 9110 §10.2.3. Most of these conditions last less than a second, and clients would wait that long anyway. */
const RETRY_AFTER_SECONDS = 1

function retryAfterOf({ params }: MailError): string {
  return String('retryAfterSeconds' in params ? params.retryAfterSeconds : RETRY_AFTER_SECONDS)
}

/** Returns the key that was valid and over its limit of requests: such a request has no actor. */
export function keyOf({ params }: MailError): string | undefined {
  return 'apiKeyId' in params ? params.apiKeyId : undefined
}

function isTransient(error: MailError): boolean {
  return error.kind === 'temporary' || error.kind === 'rate_limited' || error.endsByItself
}

/**
 * Writes the response on a bare socket and closes it (RFC 9112 §4): upgrades and malformed requests have no
 * ServerResponse. Closes both directions: a client could ignore our FIN and keep sending, and its connection would
 * count and use memory forever.
 *
 * @returns the status that was written
 */
export function writeFailure(socket: Duplex, dialect: Dialect, error: MailError, override?: number): number {
  const rendered = dialect.renderError(error)
  const status = override ?? rendered.status
  const json = JSON.stringify(rendered.body)
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(json)}`,
      'Connection: close',
      ...(isTransient(error) ? [`Retry-After: ${retryAfterOf(error)}`] : []),
      '',
      json,
    ].join('\r\n'),
    () => socket.destroy(),
  )
  return status
}

/**
 * @param error thrown by a route, by Fastify or by Node
 * @returns an entry of the catalogue. An unexpected error becomes the cause of an internal_error; invalid input must
 *   never do so
 */
export function toMailError(error: unknown): MailError {
  if (error instanceof MailError) return error
  if (error instanceof DamagedContent) return new MailError('content_damaged', {}, { cause: error })
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string }

  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new MailError('unsupported_media_type', { contentType: 'unreadable' }, { cause: error })
    case 'FST_ERR_BAD_URL':
      return invalid('The path contains a "%" that starts no valid UTF-8 escape sequence; write a literal "%" as "%25"')
    case 'FST_ERR_MAX_PARAM_LENGTH': // no id has that length
      return new MailError('not_found', { what: 'Path' }, { cause: error })
  }
  // Errors that Fastify attributes to the request (a body shorter than its Content-Length, a malformed header).
  if (code?.startsWith('FST_') && statusCode !== undefined && statusCode < 500) return invalid(message ?? 'Bad request')
  return new MailError('internal_error', {}, { cause: error })

  function invalid(detail: string): MailError {
    return new MailError('validation_error', { detail }, { cause: error })
  }
}

function unreadable(code: string | undefined): [status: number, detail: string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'The request line and header fields are too large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'The request did not arrive in time']
  return [400, 'The request is not valid HTTP']
}
