/**
 * Writes and reads Authentication-Results fields (RFC 8601 §2.2). Pure.
 *
 * Values come from peers, so every value is reduced to characters that cannot end a result or a line.
 */

/** One method and what it found. */
export interface MethodResult {
  readonly method: string
  readonly result: string
  /** A comment for people. */
  readonly comment?: string | undefined
  /** Such as `smtp.mailfrom`; undefined values are left out. */
  readonly properties: Readonly<Record<string, string | undefined>>
}

const VALUE_CHARS_MAX = 255
/** RFC 2045 §5.1 token, without the characters that would need quotes. */
const TOKEN = /^[\w.@+~!#$%&'*^`{|}=/-]+$/

/** @returns the field with CRLF, to be put at the top of a message */
export function authenticationResultsField(authservId: string, results: readonly MethodResult[]): string {
  const lines = results.map(({ method, result, comment, properties }) => {
    const shown = Object.entries(properties).flatMap(([name, text]) => (text ? [`${name}=${value(text)}`] : []))
    const words = [`${method}=${result}`, ...(comment ? [`(${commentText(comment)})`] : []), ...shown]
    return `\r\n ${words.join(' ')}`
  })
  return `Authentication-Results: ${authservId};${lines.length === 0 ? ' none' : lines.join(';')}\r\n`
}

function value(text: string): string {
  const cut = text.slice(0, VALUE_CHARS_MAX).replace(/[\p{Cc}\p{Surrogate}]/gu, '')
  return TOKEN.test(cut) ? cut : `"${cut.replace(/["\\]/g, '')}"`
}

function commentText(text: string): string {
  return text.slice(0, VALUE_CHARS_MAX).replace(/[\p{Cc}\p{Surrogate}()\\]/gu, '')
}

/**
 * Returns the server that a field says it is from, in lower case (RFC 8601 §2.2 authserv-id): the first word after comments,
 * without quotes.
 *
 * @param text the value
 */
export function authservIdOf(text: string): string {
  const start = skipComments(text, 0)
  if (text[start] === '"') {
    const quoted = /^"((?:[^"\\]|\\.)*)"/s.exec(text.slice(start))?.[1] ?? ''
    return quoted.replace(/\\(.)/gs, '$1').trim().toLowerCase()
  }
  const end = text.slice(start).search(/[\s;()]/)
  return text
    .slice(start, end < 0 ? undefined : start + end)
    .toLowerCase()
    .replace(/\.$/, '')
}

/** One result of somebody else's field. */
export interface ReadResult {
  /** In lower case, as all other members. */
  readonly method: string
  readonly result: string
  readonly properties: ReadonlyMap<string, string>
}

/** @param text the value of the field; what is malformed is left out */
export function readResults(text: string): ReadResult[] {
  const [, ...results] = withoutComments(text).toLowerCase().split(';') // the first part is the server
  return results.flatMap((part) => {
    const [first = '', ...words] = part
      .replace(/\s*=\s*/g, '=')
      .trim()
      .split(/\s+/)
    const [, method = '', result = ''] = /^([a-z0-9-]+)(?:\/\d+)?=([a-z]+)$/.exec(first) ?? []
    if (method === '') return []
    const pairs = words.flatMap((word): [string, string][] => {
      const equals = word.indexOf('=')
      return equals < 0 ? [] : [[word.slice(0, equals), word.slice(equals + 1).replaceAll('"', '')]]
    })
    return [{ method, result, properties: new Map(pairs) }]
  })
}

/** A semicolon inside quotes ends a result here, which can only lose it: quoted values are rare, and never a domain. */
function withoutComments(text: string): string {
  let depth = 0
  let kept = ''
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!
    if (char === '\\') at += 1
    else if (char === '(') depth += 1
    else if (char === ')') depth = Math.max(0, depth - 1)
    else if (depth === 0) kept += char
  }
  return kept
}

/** Returns the position after white space and comments (RFC 5322 §3.2.2), which can be nested. */
function skipComments(text: string, from: number): number {
  let depth = 0
  let at = from
  for (; at < text.length; at += 1) {
    const char = text[at]!
    if (char === '(') depth += 1
    else if (char === ')' && depth > 0) depth -= 1
    else if (char === '\\' && depth > 0) at += 1
    else if (depth === 0 && !/\s/.test(char)) break
  }
  return at
}
