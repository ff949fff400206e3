/**
 * Signs a message with DKIM (RFC 6376), relaxed/relaxed, rsa-sha256.
 *
 * On node:crypto alone: a signature is a hash, a few canonical lines and one RSA operation, which runs in the thread
 * pool. Libraries stream the mail through several objects and reach a third of the rate (bench/dkim-sign.ts).
 */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { type HeaderField, readHeaderBlock } from '../mime/header-fields.ts'
import { relaxedBody, relaxedHeader } from './dkim-canonical.ts'

const signBytes = promisify<string, Buffer, KeyObject, Buffer>(sign)

export interface DkimKey {
  /** d= and the domain of the key record. */
  domain: string
  /** s=: the record is `<selector>._domainkey.<domain>`. */
  selector: string
  /** PEM, or the parsed key: parsing it costs about as much as signing, so callers that sign often keep it. */
  privateKey: string | KeyObject
  /** Lower-case names of the fields to sign where they occur. */
  signedHeaders?: readonly string[]
  /** t=: when the signature was made. */
  signedAt?: Date
}

/** RFC 6376 §5.4.1: what a reader is shown, what makes a thread, and the structure of the body. */
const SIGNED_HEADERS = [
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'in-reply-to', 'references'],
  ...['mime-version', 'content-type', 'content-transfer-encoding', 'auto-submitted'],
  ...['list-id', 'list-unsubscribe', 'list-unsubscribe-post'], // RFC 8058 §4 wants the last two signed
]

/**
 * Signed once more than they occur (RFC 6376 §5.4.2), so that nobody can add a second one: readers show the first.
 */
const OVERSIGNED = new Set(['from', 'subject', 'date', 'to'])

/** Header bytes that are read; a message of ours has a few KB. */
const HEADER_BYTES_MAX = 1024 * 1024
const LINE_CHARS = 76

/**
 * @param raw  a whole message with CRLF line ends; its bytes must not change afterwards
 * @returns the message with DKIM-Signature in front
 * @throws when the key is not an RSA private key: that is the caller's own key, so a bug and not input
 */
export async function signMessage(raw: Buffer, key: DkimKey): Promise<Buffer> {
  const { fields, bodyStart } = readHeaderBlock(raw, 0, HEADER_BYTES_MAX)
  const chosen = chooseFields(fields, key.signedHeaders ?? SIGNED_HEADERS)
  const bodyHash = createHash('sha256')
    .update(relaxedBody(raw.subarray(bodyStart)))
    .digest('base64')

  const unsigned = fold([
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
    `d=${key.domain};`,
    `s=${key.selector};`,
    ...(key.signedAt === undefined ? [] : [`t=${Math.floor(key.signedAt.getTime() / 1000)};`]),
    ...nameList(chosen.names),
    `bh=${bodyHash};`,
  ]).concat('\r\n b=')
  // §3.7: the signed fields, then this one with b= empty and without its line end
  const canonical = chosen.fields.map((field) => canonicalField(raw, field))
  const own = relaxedHeader('DKIM-Signature', unsigned.slice(unsigned.indexOf(':') + 1))
  const privateKey = typeof key.privateKey === 'string' ? createPrivateKey(key.privateKey) : key.privateKey
  const signature = await signBytes('sha256', Buffer.concat([...canonical, Buffer.from(own)]), privateKey)

  const header = `${unsigned}${cut(signature.toString('base64')).join('\r\n ')}\r\n`
  return Buffer.concat([Buffer.from(header), raw])
}

/** §5.4.2: where a name occurs more than once, fields are taken from the bottom up. */
function chooseFields(fields: readonly HeaderField[], lowerNames: readonly string[]) {
  const names: string[] = []
  const chosen: HeaderField[] = []
  for (const name of lowerNames) {
    const found = fields.filter((field) => field.name.toLowerCase() === name).reverse()
    chosen.push(...found)
    for (const _ of found) names.push(name)
    if (OVERSIGNED.has(name)) names.push(name)
  }
  return { names, fields: chosen }
}

function canonicalField(raw: Buffer, field: HeaderField): Buffer {
  const value = raw.toString('latin1', field.valueStart, field.end) // bytes pass unchanged, whatever their charset
  return Buffer.from(`${relaxedHeader(field.name, value)}\r\n`, 'latin1')
}

/** `h=from:from:to;` in pieces, since a line may be broken after each colon (§3.5). */
function nameList(names: readonly string[]): string[] {
  return names.map((name, index) => `${index === 0 ? 'h=' : ''}${name}${index === names.length - 1 ? ';' : ':'}`)
}

/** Base64 in pieces that fit a line. */
function cut(text: string): string[] {
  return text.match(/.{1,72}/g) ?? []
}

/** Joins pieces with spaces, and with line breaks where a line would grow too long (RFC 5322 §2.2.3). */
function fold(pieces: readonly string[]): string {
  let header = ''
  let lineLength = 0
  for (const piece of pieces) {
    if (header === '') header = piece
    else header += lineLength + piece.length + 1 > LINE_CHARS ? `\r\n ${piece}` : ` ${piece}`
    lineLength = header.length - (header.lastIndexOf('\n') + 1)
  }
  return header
}
