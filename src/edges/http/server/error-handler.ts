/**
 * The error handler for all dialects: maps each error to an entry of the catalogue, which the dialect of the path
 * renders. Unexpected errors are logged here; only the log has their details.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Dialect } from './http-dialect.ts'
import { loggedPath } from './request-log.ts'

interface ErrorHandlerNeeds {
  readonly limits: Limits
  readonly log: Log
  readonly dialectOf: (url: string | undefined) => Dialect
  /** Called for a request that ends without an answer. */
  readonly unanswered: (request: FastifyRequest) => void
}

export interface ErrorHandler {
  /** Answers with the error, as the dialect of the path renders it. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void
  /** Answers input that Node's parser rejected: there is no request object, and the socket may already be closed. */
  answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void
}

export function createErrorHandler({ limits, log, dialectOf, unanswered }: ErrorHandlerNeeds): ErrorHandler {
  return {
    answer(error, request, reply) {
      const known = toMailError(error, request.routeOptions?.bodyLimit ?? limits.http.bodyBytesMax)
      if (known.kind === 'internal') {
        log.error({ requestId: request.id, method: request.method, path: loggedPath(request), err: error }, 'failed')
      }
      if (known.kind === 'unknown') {
        // Any answer could be wrong, and clients retry after a 5xx. They know how to handle a broken connection.
        log.warn({ requestId: request.id, path: loggedPath(request) }, 'closed without an answer')
        reply.hijack()
        request.raw.socket.destroy() // request.raw.destroy() leaves the connection open after the body was read
        unanswered(request)
        return
      }
      const { status, body } = dialectOf(request.raw.url).renderError(known)
      reply.code(status).header('x-request-id', request.id)
      if (isPassing(known)) reply.header('retry-after', RETRY_AFTER_SECONDS)
      reply.type('application/json; charset=utf-8').send(body)
    },

    answerUnreadable(error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
      const [status, detail] = unreadable(error.code)
      log.info({ status, code: error.code }, 'unreadable request')
      const failure = new MailError('validation_error', { detail })
      writeFailure(socket, dialectOf(undefined), failure, status)
    },
  }
}

/** RFC 9110 §10.2.3. Most of these conditions pass within a second, and clients would wait that long anyway. */
const RETRY_AFTER_SECONDS = '1'

function isPassing(error: MailError): boolean {
  return error.kind === 'temporary' || error.kind === 'rate_limited'
}

/**
 * Answers on a bare connection and closes it (RFC 9112 §4): upgrades and unreadable requests have no ServerResponse.
 * Closes both directions: a client could ignore our end and keep sending, and its connection would count and use memory
 * forever.
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
      ...(isPassing(error) ? [`Retry-After: ${RETRY_AFTER_SECONDS}`] : []),
      '',
      json,
    ].join('\r\n'),
    () => socket.destroy(),
  )
  return status
}

/**
 * @param error        thrown by a route, by Fastify or by Node
 * @param bodyBytesMax the body limit of the route
 * @returns the catalogue entry; for an unexpected error internal_error, with the error as its cause. Bad input must
 *   never cause internal_error
 */
export function toMailError(error: unknown, bodyBytesMax: number): MailError {
  if (error instanceof MailError) return error
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string }

  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new MailError('body_too_large', { limitBytes: bodyBytesMax }, { cause: error })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new MailError('unsupported_media_type', { contentType: 'unreadable' }, { cause: error })
    case 'FST_ERR_BAD_URL':
      return invalid('The path has a "%" that is not followed by two hexadecimal digits of UTF-8; write it as "%25"')
    case 'FST_ERR_MAX_PARAM_LENGTH': // no id is that long
      return new MailError('not_found', { what: 'Path' }, { cause: error })
  }
  // The client disconnected in the middle of its body. It reads no answer, but this is not an internal error.
  if (code === 'ECONNRESET' && statusCode === 400) return invalid('The connection closed before the body had arrived')
  // Errors that Fastify attributes to the request (a body shorter than its Content-Length, a malformed header).
  if (code?.startsWith('FST_') && statusCode !== undefined && statusCode < 500) return invalid(message ?? 'Bad request')
  return new MailError('internal_error', {}, { cause: error })

  function invalid(detail: string): MailError {
    return new MailError('validation_error', { detail }, { cause: error })
  }
}

function unreadable(code: string | undefined): [status: number, detail: string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'The request line and headers are too large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'The request did not arrive in time']
  return [400, 'The request is not valid HTTP']
}
