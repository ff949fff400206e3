/** Attachments: uploaded to a signed URL before the message is sent, and downloaded from another. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { Uploads } from '../../../../../mail/sending/uploads/uploads.ts'
import { sendFile } from '../../../server/file-response.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { readUploadedFile, uploadRoute } from '../../../server/requests/uploaded-file.ts'
import { access, publicRoute } from '../../../server/route-access.ts'
import { readAttachmentId, shownUploadKey } from '../prefixed-ids.ts'
import { attachmentLink } from '../wire/agentpost-message-wire.ts'
import { time } from '../wire/agentpost-shape-wire.ts'

interface AttachmentNeeds extends HttpContext {
  readonly uploads: Uploads
  readonly messages: Messages
  readonly limits: Limits
  readonly log: Log
}

const UploadRequest = Type.Object({
  filename: Type.String(),
  mime_type: Type.String(),
  size: Type.Integer({ minimum: 0 }),
})
const params = Type.Object({ attachment_id: Type.String() })

export function attachmentRoutes(app: HttpApp, { uploads, messages, publicUrl }: AttachmentNeeds): void {
  const begin = access([], { conditional: ['message_send', 'draft_create'] })
  app.post(
    '/attachments/upload-url',
    { schema: { body: UploadRequest }, config: begin },
    async ({ actor, body }, reply) => {
      const { filename, mime_type: contentType, size: sizeBytes } = body
      const upload = await uploads.begin(actor, {}, { filename, contentType, sizeBytes, isExactSize: true })
      return reply.code(201).send({
        upload_url: `${publicUrl()}/api/v1/uploads/${upload.token}`,
        key: shownUploadKey(upload.id),
        expires_at: time(upload.urlExpiresAt),
      })
    },
  )

  app.get('/attachments/:attachment_id', { schema: { params }, config: access('message_read') }, async (request) => {
    const { messageId, attachmentId } = readAttachmentId(request.params.attachment_id)
    const inbox = await messages.inboxOf(request.actor, messageId)
    const found = await messages.attachment(request.actor, inbox, messageId, attachmentId)
    return attachmentLink(publicUrl(), messageId, found)
  })
}

/** Routes without a key: the link is the credential. */
export function linkRoutes(app: HttpApp, { uploads, messages, limits, log }: AttachmentNeeds): void {
  const params = Type.Object({ token: Type.String() })
  app.put('/uploads/:token', { schema: { params }, ...uploadRoute(uploads, limits) }, async (request) => {
    const upload = await uploads.put(request.params.token, readUploadedFile(request, limits))
    return { key: shownUploadKey(upload.id), size: upload.sizeBytes }
  })

  const download = { schema: { params }, config: { ...publicRoute, secretPath: true } }
  app.get('/downloads/:token', download, async (request, reply) =>
    sendFile(request, reply, await messages.download(request.params.token), log),
  )
}
