/**
 * Signs a message with DKIM (RFC 6376), relaxed/relaxed, rsa-sha256.
 *
 * Uses only node:crypto: a signature is a hash, a few canonical lines, and one RSA operation in the thread pool.
 * Libraries stream the message through several objects and reach a third of the rate (bench/dkim-sign.ts).
 */
import { createHash, createPrivateKey, type Hash, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { type HeaderField, readHeaderBlock } from '../mime/header-fields.ts'
import { relaxedBody, relaxedHeader } from './dkim-canonical.ts'

const signBytes = promisify<string, Buffer, KeyObject, Buffer>(sign)

export interface DkimKey {
  /** d= and the domain of the key record. */
  domain: string
  /** s=: the record is `<selector>._domainkey.<domain>`. */
  selector: string
  /** PEM, or the parsed key. Parsing costs about as much as signing, so callers that sign often keep the parsed key. */
  privateKey: string | KeyObject
  /** Lower-case names of the fields to sign if they occur. */
  signedHeaders?: readonly string[]
  /** t=: when the signature was made. */
  signedAt?: Date
}

/** RFC 6376 §5.4.1: fields that a mail program shows, fields that form threads, and fields that describe the body. */
const SIGNED_HEADERS = [
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'in-reply-to', 'references'],
  ...['mime-version', 'content-type', 'content-transfer-encoding', 'auto-submitted'],
  ...['list-id', 'list-unsubscribe', 'list-unsubscribe-post'], // RFC 8058 §4 requires the last two
]

/**
 * Signed once more than they occur (RFC 6376 §5.4.2): adding another one then breaks the signature. Mail programs show
 * the first one.
 */
const OVERSIGNED = new Set(['from', 'subject', 'date', 'to'])

/** The header of a message that we compose has a few KB. */
const HEADER_BYTES_MAX = 1024 * 1024
const LINE_CHARS = 76
/** Bytes that are hashed in one turn of the event loop. */
const TURN_BYTES = 4 * 1024 * 1024

/**
 * @param raw  a whole message with CRLF line ends; its bytes must not change afterwards
 * @param nextTurn  resolves in a later turn of the event loop. A large message is signed in several: 45 MB in one would take 0.1 s
 * @returns the message with a DKIM-Signature field at the top
 * @throws if the key is not an RSA private key. The key is ours, so this is a bug.
 */
export async function signMessage(raw: Buffer, key: DkimKey, nextTurn?: () => Promise<void>): Promise<Buffer> {
  const isLarge = raw.length > TURN_BYTES
  if (isLarge) await nextTurn?.()
  const { fields, bodyStart } = readHeaderBlock(raw, 0, HEADER_BYTES_MAX)
  const canonical = relaxedBody(raw.subarray(bodyStart))
  const bodyHash = createHash('sha256')
  for (let at = 0; at < canonical.length; at += TURN_BYTES) {
    if (isLarge) await nextTurn?.()
    bodyHash.update(canonical.subarray(at, at + TURN_BYTES))
  }
  return Buffer.concat([await signatureField(raw, fields, bodyHash, key), raw])
}

/**
 * Signs a message whose body is not in memory.
 *
 * @param header contains the fields; their offsets are relative to its start
 * @param bodyHash has got the body in its relaxed form (dkim-canonical.ts)
 * @returns the DKIM-Signature field with its line end
 */
export async function signatureField(
  header: Buffer,
  fields: readonly HeaderField[],
  bodyHash: Hash,
  key: DkimKey,
): Promise<Buffer> {
  const signed = selectFields(fields, key.signedHeaders ?? SIGNED_HEADERS)
  const unsigned = fold([
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
    `d=${key.domain};`,
    `s=${key.selector};`,
    ...(key.signedAt === undefined ? [] : [`t=${Math.floor(key.signedAt.getTime() / 1000)};`]),
    ...nameList(signed.names),
    `bh=${bodyHash.digest('base64')};`,
  ]).concat('\r\n b=')
  // §3.7: the signed fields, then this field with an empty b= and without its line end
  const canonical = signed.fields.map((field) => canonicalField(header, field))
  const ownField = relaxedHeader('DKIM-Signature', unsigned.slice(unsigned.indexOf(':') + 1))
  const privateKey = typeof key.privateKey === 'string' ? createPrivateKey(key.privateKey) : key.privateKey
  const signature = await signBytes('sha256', Buffer.concat([...canonical, Buffer.from(ownField)]), privateKey)
  return Buffer.from(`${unsigned}${splitBase64(signature.toString('base64')).join('\r\n ')}\r\n`)
}

/** §5.4.2: fields of the same name are signed from the bottom up. */
function selectFields(fields: readonly HeaderField[], lowerNames: readonly string[]) {
  const names: string[] = []
  const selected: HeaderField[] = []
  for (const name of lowerNames) {
    const found = fields.filter((field) => field.name.toLowerCase() === name).reverse()
    selected.push(...found)
    for (const _ of found) names.push(name)
    if (OVERSIGNED.has(name)) names.push(name)
  }
  return { names, fields: selected }
}

function canonicalField(raw: Buffer, field: HeaderField): Buffer {
  const value = raw.toString('latin1', field.valueStart, field.end) // bytes pass unchanged, whatever their charset
  return Buffer.from(`${relaxedHeader(field.name, value)}\r\n`, 'latin1')
}

/** Returns `h=from:from:to;` in pieces: a line may be broken after each colon (§3.5). */
function nameList(names: readonly string[]): string[] {
  return names.map((name, index) => `${index === 0 ? 'h=' : ''}${name}${index === names.length - 1 ? ';' : ':'}`)
}

/** Splits base64 into pieces that fit in a line. */
function splitBase64(text: string): string[] {
  return text.match(/.{1,72}/g) ?? []
}

/** Joins pieces with spaces, or with line breaks where a line would be too long (RFC 5322 §2.2.3). */
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
