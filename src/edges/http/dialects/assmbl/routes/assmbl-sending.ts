/** Sends a message. With an idempotency key, a repeated request returns the first result. */
import type { Limits } from '../../../../../config/limits.ts'
import { inboxOf } from '../../../../../mail/access/access.ts'
import type { Sending } from '../../../../../mail/sending/sending.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { addWarning } from '../../../server/requests/unknown-members.ts'
import { access } from '../../../server/route-access.ts'
import { readSend, SendBody, sentMail } from '../wire/assmbl-sending-wire.ts'

interface SendingNeeds extends HttpContext {
  readonly sending: Sending
  readonly limits: Limits
}

export function sendingRoutes(app: HttpApp, { sending, limits, bodies }: SendingNeeds): void {
  const config = access('message_send', { widestKey: 'inbox' })
  app.post(
    '/send',
    { schema: { body: SendBody }, bodyLimit: limits.http.sendBodyBytesMax, config },
    async (request, reply) => {
      const { actor, body, headers } = request
      const { message, ...own } = readSend(body, headers, actor.inboxAddress ?? '')
      const sent = await sending.send(actor, inboxOf(actor), message, {
        idempotencyKey: own.idempotencyKey,
        idempotencyKeyForm: 'visible',
        requestMemory: bodies.memoryOf(request),
      })
      if (body.usage !== undefined) addWarning(reply, 'usage is not metered')
      return sentMail(sent, own)
    },
  )
}
