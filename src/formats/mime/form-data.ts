/**
 * Parses a form with a file: multipart/form-data (RFC 7578, RFC 2046 §5.1.1), as browsers and HTTP libraries write it.
 * The whole body is in memory; one search for each boundary, so the time is linear. Pure.
 */
import { parseParameterised } from './header-parameters.ts'

export interface FormFile {
  /** Name of the field. */
  readonly name: string
  readonly filename: string | undefined
  readonly contentType: string | undefined
  readonly bytes: Buffer
}

export interface FormData {
  /** The other fields. If a name occurs twice, the first value counts. */
  readonly fields: ReadonlyMap<string, string>
  /** The last part with a file name, or the field "file". */
  readonly file: FormFile | undefined
}

/** RFC 2046 §5.1.1: 1 to 70 characters. */
const BOUNDARY = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/
/** Header fields of one part. Content-Disposition and Content-Type are all that RFC 7578 §4.8 knows. */
const HEAD_BYTES_MAX = 8 * 1024

/**
 * @param contentType of the request, with its boundary
 * @returns a sentence without a full stop for a body that is no such form
 */
export function parseFormData(body: Buffer, contentType: string, partsMax: number): FormData | string {
  const boundary = parseParameterised(contentType).parameters.get('boundary')
  if (boundary === undefined || !BOUNDARY.test(boundary)) return 'The Content-Type of the form has no valid boundary'
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  const fields = new Map<string, string>()
  let file: FormFile | undefined
  // The first boundary may be at the start of the body, without a line break before it.
  let at = startsWith(body, delimiter.subarray(2)) ? delimiter.length - 2 : after(body, delimiter, 0)
  for (let parts = 0; at !== undefined; parts += 1) {
    if (startsWith(body.subarray(at), Buffer.from('--'))) return { fields, file }
    if (parts >= partsMax) return `The form has more than ${partsMax} fields`
    const end = body.indexOf(delimiter, at)
    const part = end < 0 ? undefined : readPart(body.subarray(at, end))
    if (!part) return 'The form has a field without an end or a name'
    if (part.filename !== undefined || part.name === 'file') file = part
    else if (!fields.has(part.name)) fields.set(part.name, part.bytes.toString())
    at = end + delimiter.length
  }
  return 'The form has no boundary at its beginning'
}

/** @param bytes from behind the boundary to the line break before the next one */
function readPart(bytes: Buffer): FormFile | undefined {
  const line = bytes.indexOf('\r\n') // white space may follow the boundary
  const end = bytes.subarray(0, HEAD_BYTES_MAX).indexOf('\r\n\r\n')
  if (line < 0 || end < 0) return undefined
  const head = new Map<string, string>()
  for (const field of bytes
    .subarray(line + 2, end)
    .toString()
    .split('\r\n')) {
    const colon = field.indexOf(':')
    if (colon > 0) head.set(field.slice(0, colon).trim().toLowerCase(), field.slice(colon + 1).trim())
  }
  const { value, parameters } = parseParameterised(head.get('content-disposition') ?? '')
  const name = parameters.get('name')
  if (value !== 'form-data' || name === undefined) return undefined
  return {
    name,
    filename: parameters.get('filename'),
    contentType: head.get('content-type'),
    bytes: bytes.subarray(end + 4),
  }
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start)
}

function after(body: Buffer, delimiter: Buffer, from: number): number | undefined {
  const found = body.indexOf(delimiter, from)
  return found < 0 ? undefined : found + delimiter.length
}
