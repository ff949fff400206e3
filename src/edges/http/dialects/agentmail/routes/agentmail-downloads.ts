/**
 * Serves attachments and raw messages at signed links. The route needs no key, and it sends no redirect, because
 * AgentMail's toolkit refuses redirects (docs/compatibility/agentmail.md).
 */
import { Type } from 'typebox'
import type { Log } from '../../../../../log.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import { sendFile } from '../../../server/file-response.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { publicRoute } from '../../../server/route-access.ts'

const schema = {
  tags: ['Downloads'],
  summary: 'Download an attachment or a raw message',
  isOurs: true,
  errors: ['too_many_responses'] as const,
  response: {
    200: Type.Any({
      description: 'The bytes. The response has the media type of the file.',
      contentMediaType: 'application/octet-stream',
    }),
  },
  params: Type.Object({ token: Type.String({ description: 'Part of a link of this server.' }) }),
}

interface DownloadNeeds {
  readonly messages: Pick<Messages, 'download'>
  readonly log: Log
}

export function downloadRoutes(app: HttpApp, { messages, log }: DownloadNeeds): void {
  app.get('/downloads/:token', { schema, config: { ...publicRoute, secretPath: true } }, async (request, reply) =>
    sendFile(request, reply, await messages.download(request.params.token), log),
  )
}
