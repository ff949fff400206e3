/** Files that an agent uploads before it sends them, and the attachments of its messages. Bytes go through signed links. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Log } from '../../../../../log.ts'
import { inboxOf } from '../../../../../mail/access/access.ts'
import type { Messages } from '../../../../../mail/messages/messages.ts'
import type { Uploads } from '../../../../../mail/sending/uploads/uploads.ts'
import { sendFile } from '../../../server/file-response.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { readUploadedFile, uploadRoute } from '../../../server/requests/uploaded-file.ts'
import { access, publicRoute } from '../../../server/route-access.ts'
import { downloadLink, FILES, readObjectKey, uploadTicket } from '../wire/assmbl-attachment-wire.ts'
import { attachmentStatus } from '../wire/assmbl-message-wire.ts'

interface AttachmentNeeds extends HttpContext {
  readonly messages: Messages
  readonly uploads: Uploads
}

const beginUpload = {
  body: Type.Object({
    file_name: Type.String(),
    content_type: Type.String(),
    max_bytes: Type.Integer({ minimum: 0 }),
  }),
}
const download = { body: Type.Object({ object_key: Type.String() }) }
const inbound = '/messages/:message_id/attachments/:index'
const ofMessage = { params: Type.Object({ message_id: Type.String(), index: Type.String({ pattern: '^\\d{1,6}$' }) }) }
const narrow = { widestKey: 'inbox' } as const

export function attachmentRoutes(app: HttpApp, { messages, uploads, publicUrl }: AttachmentNeeds): void {
  const [mayRead, maySend] = [access('message_read', narrow), access('message_send', narrow)]

  app.post('/attachments/upload', { schema: beginUpload, config: maySend }, async ({ actor, body }) => {
    const upload = { filename: body.file_name, contentType: body.content_type, sizeBytes: body.max_bytes }
    const ticket = await uploads.begin(actor, { inbox: inboxOf(actor) }, { ...upload, isExactSize: false })
    return uploadTicket(ticket, actor.inboxAddress ?? '', publicUrl())
  })

  app.post('/attachments/download', { schema: download, config: maySend }, async ({ actor, body }) => {
    const id = readObjectKey(actor.inboxAddress ?? '', body.object_key)
    return downloadLink(publicUrl(), await uploads.link(actor, id))
  })

  app.get(inbound, { schema: ofMessage, config: mayRead }, async ({ actor, params }) => {
    const index = Number(params.index)
    return attachmentStatus(await messages.attachmentAt(actor, inboxOf(actor), params.message_id, index), index)
  })

  app.post(`${inbound}/download`, { schema: ofMessage, config: mayRead }, async ({ actor, params }) => {
    const link = await messages.attachmentAt(actor, inboxOf(actor), params.message_id, Number(params.index))
    return downloadLink(publicUrl(), link)
  })
}

interface FileNeeds {
  readonly messages: Pick<Messages, 'download'>
  readonly uploads: Pick<Uploads, 'expected' | 'put'>
  readonly log: Log
  readonly limits: Limits
}

const file = { params: Type.Object({ token: Type.String() }) }

/** The link is the credential. */
export function fileRoutes(app: HttpApp, { messages, uploads, log, limits }: FileNeeds): void {
  const path = `${FILES}/:token`
  const config = { ...publicRoute, secretPath: true }
  app.get(path, { schema: file, config }, async (request, reply) =>
    sendFile(request, reply, await messages.download(request.params.token), log),
  )

  app.post(path, { schema: file, ...uploadRoute(uploads, limits) }, async (request, reply) => {
    await uploads.put(request.params.token, readUploadedFile(request, limits))
    return reply.code(204).send(null)
  })
}
