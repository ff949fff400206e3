/**
 * Bytes behind a signed link: attachments and whole mails. No key and no redirect: AgentMail's toolkit refuses redirects
 * (docs/compatibility/agentmail.md).
 *
 * What a stranger mailed is served from the address that the API has, so no browser may run it: the type is not guessed
 * and the page is sandboxed.
 */
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import type { Log } from '../../../log.ts'
import type { DownloadContent, Messages } from '../../../mail/messages/message.ts'
import type { HttpApp } from '../dialect.ts'

const schema = {
  tags: ['Downloads'],
  summary: 'The bytes behind a link',
  security: [],
  params: Type.Object({ token: Type.String() }),
}

interface DownloadNeeds {
  readonly messages: Pick<Messages, 'download'>
  readonly log: Log
}

export function downloadRoutes(app: HttpApp, { messages, log }: DownloadNeeds): void {
  app.get('/downloads/:token', { schema, config: { secretPath: true } }, async (request, reply) => {
    const content = await messages.download(request.params.token)
    const stream = Readable.from(content.bytes, { objectMode: false })
    // The head is out by then: all that can be done is to cut the answer short of its Content-Length.
    stream.on('error', (error) => log.error({ requestId: request.id, err: error }, 'download failed'))
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
  })
}

/** The type is the sender's word: one that is no media type (RFC 9110 §8.3.1) could not even be sent. */
export function safeContentType(type: string): string {
  return /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))*$/.test(
    type,
  )
    ? type
    : 'application/octet-stream'
}

/** RFC 6266 §4.3 and appendix D: an ASCII name for everyone, the real one for those who read RFC 8187. */
export function contentDisposition({
  disposition,
  filename,
}: Pick<DownloadContent, 'disposition' | 'filename'>): string {
  if (filename === undefined) return disposition
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  if (ascii === filename) return `${disposition}; filename="${ascii}"`
  // encodeURIComponent leaves ' ( ) * alone, which RFC 8187 §3.2.1 does not; on lone surrogates it throws.
  const encoded = encodeURIComponent(Buffer.from(filename).toString()).replace(/['()*]/g, hex)
  return `${disposition}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
