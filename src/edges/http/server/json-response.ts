/** Sends JSON that is already encoded. All other responses are objects, which Fastify turns into JSON. */
import type { FastifyReply } from 'fastify'

export function sendJson(reply: FastifyReply, json: Buffer): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}
