/**
 * Writes a MIME tree of nodemailer whose contents are in memory, at once. nodemailer itself writes it through at least four streams
 * and in several turns of the event loop, which takes longer than encoding a message of some KB. Part of mime-compose.ts.
 */
import type MimeNode from 'nodemailer/lib/mime-node'
import { encode, wrap } from 'nodemailer/lib/qp'

/** RFC 2045 §6.8: at most 76 characters in a line. */
const BASE64_LINE = /.{1,76}/g

/** @returns the same bytes as `root.build()`, except that a long last line which ends in white space may be broken elsewhere */
export function serializeMime(root: MimeNode): Buffer {
  const text = textOf(root)
  return Buffer.from(/\n$/.test(text) ? text : `${text}\r\n`)
}

function textOf(node: MimeNode): string {
  const encoding = node.getTransferEncoding()
  const header = `${node.buildHeaders()}\r\n\r\n` // also sets the boundary
  if (!node.multipart) return header + encoded(node.content, encoding)
  const parts = node.childNodes.map((child) => `--${node.boundary}\r\n${textOf(child)}`)
  return `${header}${parts.join('\r\n')}\r\n--${node.boundary}--\r\n` // RFC 2046 §5.1.1
}

function encoded(content: MimeNode['content'], encoding: string | false): string {
  if (content === undefined || content === '') return ''
  if (typeof content !== 'string' && !Buffer.isBuffer(content)) throw new Error('the content is not in memory')
  if (encoding === 'quoted-printable') return wrap(encode(content))
  if (encoding === 'base64')
    return (
      Buffer.from(content as Buffer)
        .toString('base64')
        .match(BASE64_LINE) ?? []
    ).join('\r\n')
  return content.toString('latin1').replace(/(?<!\r)\n/g, '\r\n') // 7 bits
}
