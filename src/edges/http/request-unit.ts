/**
 * Each request is a unit of work (fault-boundary.ts): an error that nothing handles is answered with 500, or cuts the
 * connection of an answer that has begun.
 */
import { runIn, type Unit } from '../../fault-boundary.ts'
import type { HttpApp } from './dialect.ts'
import type { Failures } from './failures.ts'

declare module 'fastify' {
  interface FastifyRequest {
    unit: Unit
  }
}

export function containRequests(app: HttpApp, failures: Pick<Failures, 'answer'>): void {
  app.decorateRequest('unit')
  app.addHook('onRequest', (request, reply, next) => {
    request.unit = {
      kind: 'HTTP request',
      fail(error) {
        if (reply.raw.headersSent) request.raw.destroy()
        else failures.answer(error, request, reply)
      },
    }
    runIn(request.unit, next)
  })
  // Again: the body arrives with events of the socket, which belong to no request.
  app.addHook('preValidation', (request, _reply, next) => runIn(request.unit, next))
}
