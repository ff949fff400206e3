/** Bodies: JSON, or none. Fastify's own parser refuses an empty JSON body, which AgentMail's clients send. */
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { MailError } from '../../errors.ts'

/**
 * @param bytes the whole body, already within `limits.httpBodyBytesMax`
 * @returns the value, or an empty object for an empty body
 * @throws invalid_json, unsupported_media_type
 */
export function parseJsonBody(headers: IncomingHttpHeaders, bytes: Buffer): unknown {
  if (bytes.length === 0) return {}
  const contentType = headers['content-type'] ?? 'application/json'
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)) {
    throw new MailError('unsupported_media_type', { contentType: contentType.slice(0, 100) })
  }
  if (!isUtf8(bytes)) throw new MailError('invalid_json', { detail: 'it is not UTF-8' }) // RFC 8259 §8.1
  return parse(bytes.toString())
}

function parse(text: string): unknown {
  // RFC 8259 §8.1 allows to ignore a byte order mark; some Windows clients send one.
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text
  try {
    // What `clean` looks for can only be written with that name or with an escape; it costs time for every member.
    return /__proto__|\\u/.test(json) ? JSON.parse(json, clean) : JSON.parse(json)
  } catch (cause) {
    throw new MailError('invalid_json', { detail: reason(cause) }, { cause })
  }
}

/**
 * A member "__proto__" would become a prototype in whatever copies the object key by key. Half a surrogate pair (RFC 8259
 * §8.2) would come back from the database as another character, so that two equal labels could differ.
 */
function clean(key: string, value: unknown): unknown {
  if (key === '__proto__') return undefined
  return typeof value === 'string' && /\p{Surrogate}/u.test(value) ? Buffer.from(value).toString() : value
}

/** V8 quotes the text around the fault, which may be somebody's mail: only what comes before the quotation is kept. */
function reason(cause: unknown): string {
  if (!(cause instanceof SyntaxError)) return 'it is nested too deeply' // RangeError of the reviver's recursion
  return cause.message.split(/, |: | "/)[0] ?? 'it cannot be parsed'
}
