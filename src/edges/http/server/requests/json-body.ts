/**
 * Parses JSON bodies and empty bodies. Fastify's own parser rejects an empty JSON body, which AgentMail's clients send.
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { Limits } from '../../../../config/limits.ts'
import { MailError } from '../../../../errors.ts'

/**
 * Parses a body in one turn of the event loop; one above `limits.http.oneTurnBodyBytesMax` in several, because each of these steps
 * takes up to 0.1 s for the largest body.
 *
 * @param bytes the whole body, already within the route's limit
 * @returns the value, or an empty object for an empty body
 * @throws invalid_json, unsupported_media_type, body_too_complex, validation_error for a text with NUL and for a member "__proto__"
 */
export async function parseInTurns(
  headers: IncomingHttpHeaders,
  bytes: Buffer,
  limits: Limits,
  nextTurn: () => Promise<void>,
): Promise<unknown> {
  if (bytes.length <= limits.http.oneTurnBodyBytesMax) return parseJsonBody(headers, bytes, limits)
  for (const steps = parseSteps(headers, bytes, limits); ; ) {
    await nextTurn()
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Like `parseInTurns`, at once. */
export function parseJsonBody(headers: IncomingHttpHeaders, bytes: Buffer, limits: Limits): unknown {
  for (const steps = parseSteps(headers, bytes, limits); ; ) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

function* parseSteps(headers: IncomingHttpHeaders, bytes: Buffer, limits: Limits): Generator<void, unknown> {
  if (bytes.length === 0) return {}
  const contentType = headers['content-type'] ?? 'application/json'
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)) {
    throw new MailError('unsupported_media_type', { contentType: contentType.slice(0, 100) })
  }
  yield* checkTokens(bytes, limits)
  if (!isUtf8(bytes)) throw new MailError('invalid_json', { detail: 'it is not UTF-8' }) // RFC 8259 §8.1
  yield
  const text = bytes.toString()
  yield
  // RFC 8259 §8.1 allows us to ignore a byte order mark; some Windows clients send one.
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text
  // A reviver costs time for every member, and everything that it is for contains this name or an escape sequence.
  const reviver = /__proto__|\\u/.test(json) ? clean : undefined
  let hasPrototype = false
  yield
  let value: unknown
  try {
    value = JSON.parse(json, reviver)
  } catch (cause) {
    throw new MailError('invalid_json', { detail: reasonOf(cause, json) }, { cause })
  }
  if (hasPrototype || json.includes('\\u0000')) refuseTexts(value, [])
  return value

  /**
   * Replaces unpaired surrogates (RFC 8259 §8.2): the database would return them as another character, so that a stored label
   * would differ from the sent one.
   */
  function clean(name: string, member: unknown): unknown {
    if (name === PROTOTYPE) hasPrototype = true
    return typeof member === 'string' ? member.toWellFormed() : member
  }
}

/** A member with this name would become a prototype in code that copies the object member by member. */
const PROTOTYPE = '__proto__'

const [QUOTE, BACKSLASH, COMMA, LIST, OBJECT, LIST_END, OBJECT_END] = Buffer.from('"\\,[{]}')

/** Bytes that are counted in one step, about 10 ms. */
const STEP_BYTES = 1024 * 1024

/**
 * Counts strings, arrays, objects and commas before the body is parsed: 40 MB of `{},{},…` would become a gigabyte of
 * objects, and each would be checked against a schema. Also limits the depth, for code that follows a value down. The
 * time is linear, and short for a long string without escapes, such as base64.
 */
function* checkTokens(bytes: Buffer, limits: Limits): Generator<void, void> {
  const { bodyTokensMax, bodyDepthMax } = limits.http
  let count = 0
  let depth = 0
  let stepEnd = STEP_BYTES
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    const isToken = byte === QUOTE || byte === COMMA || byte === LIST || byte === OBJECT
    if (isToken) count += 1
    if (count > bodyTokensMax) throw new MailError('body_too_complex', { tokensMax: bodyTokensMax })
    if (byte === LIST || byte === OBJECT) depth += 1
    else if (byte === LIST_END || byte === OBJECT_END) depth -= 1
    if (depth > bodyDepthMax) {
      throw new MailError('invalid_json', { detail: `it is nested more than ${bodyDepthMax} levels deep` })
    }
    if (byte === QUOTE) at = endOfString(bytes, at + 1)
    if (at < stepEnd) continue
    yield
    stepEnd = at + STEP_BYTES
  }
}

/** @returns the position of the closing quote, or the length of the bytes if there is none */
function endOfString(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(QUOTE!, start)
  if (end === -1) return bytes.length
  if (bytes[end - 1] !== BACKSLASH) return end
  for (let at = start; at < bytes.length; at += 1) {
    if (bytes[at] === QUOTE) return at
    if (bytes[at] === BACKSLASH) at += 1
  }
  return bytes.length
}

/**
 * Refuses NUL in texts and names, because PostgreSQL cannot store it and a program that reads the text may end there, and members
 * named "__proto__". Names what it refuses: a member that is left out silently would be believed to be stored.
 *
 * @throws validation_error
 */
function refuseTexts(value: unknown, path: readonly (string | number)[]): void {
  if (typeof value === 'string') {
    if (!value.includes('\0')) return
    throw new MailError('validation_error', {
      detail: `${path.join('.') || 'The body'} contains a NUL character`,
      path,
    })
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) {
    refuseTexts(name, path)
    const memberPath = [...path, Array.isArray(value) ? Number(name) : name]
    if (name === PROTOTYPE) {
      throw new MailError('validation_error', { detail: `A member cannot be named ${PROTOTYPE}`, path: memberPath })
    }
    refuseTexts(member, memberPath)
  }
}

/** Characters of a body in which the position of an error is searched for, if V8 does not say it. */
const SEARCHED_CHARS_MAX = 65_536

/** Returns V8's message without the text that it quotes from the body, which may be part of a message, and with the position. */
function reasonOf(cause: unknown, json: string): string {
  const reason = (cause as SyntaxError).message.split(/, |: | "/)[0] ?? 'it cannot be parsed'
  if (/ position \d|end of JSON/.test(reason) || json.length > SEARCHED_CHARS_MAX) return reason
  return `${reason} at position ${errorPosition(json)}`
}

/** The shortest text that is wrong, and not only cut off, ends with the character that is wrong. */
function errorPosition(json: string): number {
  let [fine, wrong] = [0, json.length]
  while (wrong - fine > 1) {
    const middle = (fine + wrong) >> 1
    if (isBeginningOfJson(json.slice(0, middle))) fine = middle
    else wrong = middle
  }
  return fine
}

function isBeginningOfJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const { message } = error as SyntaxError
    const at = / position (\d+)/.exec(message)?.[1]
    return / end of |Unterminated /.test(message) || (at !== undefined && Number(at) >= text.length)
  }
}
