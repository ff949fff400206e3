/**
 * Makes each request a unit of work (fault-boundary.ts): a request with an unhandled error gets 500. If its response
 * has begun, the connection is closed instead.
 */
import { runIn, type Unit } from '../../../../fault-boundary.ts'
import type { ErrorHandler } from '../error-handler.ts'
import type { HttpApp } from '../http-dialect.ts'

declare module 'fastify' {
  interface FastifyRequest {
    unit: Unit
  }
}

export function containRequests(app: HttpApp, errorHandler: Pick<ErrorHandler, 'answer'>): void {
  app.decorateRequest('unit')
  app.addHook('onRequest', (request, reply, next) => {
    request.unit = {
      kind: 'HTTP request',
      fail(error) {
        if (reply.raw.headersSent)
          reply.raw.destroy() // the request's own destroy() leaves the connection open once its body was read
        else errorHandler.answer(error, request, reply)
      },
    }
    runIn(request.unit, next)
  })
  // Enter the unit again: the body arrives with socket events, which run outside of the request's unit.
  app.addHook('preValidation', (request, _reply, next) => runIn(request.unit, next))
}
