/**
 * Responds with a file that somebody else wrote, from the origin of the API. So browsers must not execute it: they may
 * not guess its type, and it is sandboxed.
 */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../../../log.ts'
import type { DownloadedFile } from '../../../mail/messages/views/message.ts'

export function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  content: DownloadedFile,
  log: Log,
): FastifyReply {
  const stream = Readable.from(content.bytes, { objectMode: false })
  // The header is already sent. Ending the connection before the Content-Length is reached is all that HTTP/1.1 has for an error now: the
  // client must take the response for incomplete (RFC 9112 §8).
  stream.on('error', (error) => log.error({ requestId: request.id, ...content.about, err: error }, 'download failed'))
  return reply
    .headers({
      'content-type': safeContentType(content.contentType),
      'content-length': content.sizeBytes,
      'content-disposition': contentDisposition(content),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
      'cache-control': 'private, no-store',
    })
    .send(stream)
}

/**
 * The sender chose the type. A value that is no media type (RFC 9110 §8.3.1) might not even be valid in a header field.
 */
export function safeContentType(type: string): string {
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))*$/.test(
    type,
  )
    ? type
    : 'application/octet-stream'
}

/** RFC 6266 §4.3 and appendix D: an ASCII name for all clients, the real name for clients that support RFC 8187. */
export function contentDisposition({
  disposition,
  filename,
}: Pick<DownloadedFile, 'disposition' | 'filename'>): string {
  if (filename === undefined) return disposition
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  if (ascii === filename) return `${disposition}; filename="${ascii}"`
  // encodeURIComponent does not encode ' ( ) *, which RFC 8187 §3.2.1 requires, and it throws on lone surrogates.
  const encoded = encodeURIComponent(Buffer.from(filename).toString()).replace(/['()*]/g, hex)
  return `${disposition}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
