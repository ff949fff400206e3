/**
 * Reads a file from a request: the body itself (PUT), or a form with the file (POST, multipart/form-data), as clients of
 * signed upload links send them. For routes with `rawBody`.
 */
import type { FastifyRequest } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'
import { MailError } from '../../../../errors.ts'
import { parseFormData } from '../../../../formats/mime/form-data.ts'
import type { Tenant } from '../../../../mail/jobs/capacity-shares.ts'
import type { UploadedFile } from '../../../../mail/sending/uploads/upload.ts'
import type { Uploads } from '../../../../mail/sending/uploads/uploads.ts'
import { declaredLength } from './read-body.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is not JSON: the handler gets its bytes, as a Buffer. An empty body is an empty object. */
    rawBody?: boolean
  }
  interface FastifyRequest {
    /** Whose file a request without a key brings. Its body counts for this tenant. */
    uploader?: Tenant
  }
}

/**
 * Options of a route `…/:token` that receives a file. The link is its credential, and must not be logged. It is checked before
 * the body is read: a stranger without a valid link takes no memory.
 */
export function uploadRoute(uploads: Pick<Uploads, 'expected'>, limits: Limits) {
  const { fileBytesMax, formBytesMax } = limits.uploads
  return {
    bodyLimit: fileBytesMax + formBytesMax,
    config: { rawBody: true, secretPath: true, access: 'public' },
    async onRequest(request: FastifyRequest) {
      const { token } = request.params as { readonly token: string }
      const { organizationId, podId = null, sizeBytesMax } = await uploads.expected(token)
      if ((declaredLength(request.headers) ?? 0) > sizeBytesMax + formBytesMax) {
        throw new MailError('body_too_large', { limitBytes: sizeBytesMax })
      }
      request.uploader = { organizationId, podId }
    },
  } as const
}

/** @throws validation_error */
export function readUploadedFile(request: FastifyRequest, limits: Limits): UploadedFile {
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const contentType = request.headers['content-type']
  if (contentType === undefined || !/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) return { contentType, bytes }
  const form = parseFormData(bytes, contentType, limits.uploads.formPartsMax)
  if (typeof form === 'string') throw new MailError('validation_error', { detail: form })
  if (!form.file) throw new MailError('validation_error', { detail: 'The form has no file', path: ['file'] })
  // A signed form usually has the type as a field; what a browser says of the file counts only without it.
  const field = [...form.fields].find(([name]) => name.toLowerCase() === 'content-type')?.[1]
  return { contentType: field ?? form.file.contentType, bytes: form.file.bytes }
}
