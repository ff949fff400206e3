/** Converts an attachment of a send or draft request for the core (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import { isDataUrl, parseBase64, parseDataUrl } from '../../../../../formats/mime/attachment-content.ts'
import type { RequestedAttachment } from '../../../../../mail/sending/compose/outgoing.ts'
import { named, nullable } from './shape-wire.ts'

export const SendAttachment = named(
  'SendAttachment',
  {
    filename: nullable(Type.String()),
    content_type: nullable(Type.String()),
    content_disposition: nullable(Type.Enum(['inline', 'attachment'])),
    content_id: nullable(Type.String()),
    content: nullable(
      Type.String({
        contentEncoding: 'base64',
        description: 'Base64 or base64url, with or without padding; or a data: URL.',
      }),
    ),
    url: nullable(
      Type.String({
        contentMediaType: 'text/uri-list', // a data: URL is as long as its content
        description: 'http or https, fetched without authentication when the message is sent; or a data: URL.',
      }),
    ),
  },
  { description: 'With either content or url.' },
)

/**
 * @param index of the attachment in its list
 * @param list name of the list, for errors
 * @throws validation_error
 */
export function readAttachment(
  body: Static<typeof SendAttachment>,
  index: number,
  list: string = 'attachments',
): RequestedAttachment {
  const path = [list, index]
  const fields = {
    filename: body.filename ?? undefined,
    contentType: body.content_type ?? undefined,
    disposition: body.content_disposition ?? undefined,
    contentId: body.content_id?.replace(/^<(.*)>$/, '$1'),
  }
  const [content, url] = [body.content ?? undefined, body.url ?? undefined]
  if (content !== undefined && url !== undefined)
    throw invalid('An attachment has either content or url, not both', path)
  if (url !== undefined && !isDataUrl(url)) return { ...fields, url }
  const text = content ?? url
  if (text === undefined) throw invalid('An attachment must have content in base64, or a url', [...path, 'content'])
  if (isDataUrl(text)) {
    const data = parseDataUrl(text)
    if (!data)
      throw invalid('This is not a data: URL with valid data', [...path, content === undefined ? 'url' : 'content'])
    return { ...fields, contentType: fields.contentType ?? data.contentType, bytes: data.bytes }
  }
  const bytes = parseBase64(text)
  if (!bytes) throw invalid('The content of an attachment is not valid base64', [...path, 'content'])
  return { ...fields, bytes }
}

function invalid(detail: string, path: readonly (string | number)[]): MailError {
  return new MailError('validation_error', { detail, path })
}
