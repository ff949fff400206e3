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
    return withoutDot(quoted.replace(/\\(.)/gs, '$1').trim().toLowerCase())
  }
  const end = text.slice(start).search(/[^\p{L}\p{N}_.-]/u) // a version, or what a sloppy reader ignores
  return withoutDot(text.slice(start, end < 0 ? undefined : start + end).toLowerCase())
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '')
}

/** One result of somebody else's field. */
export interface ReadResult {
  /** In lower case, as all other members. */
  readonly method: string
  readonly result: string
  readonly properties: ReadonlyMap<string, string>
}

/**
 * Values can contain what a stranger has written, such as the sender of the envelope: what is in quotes is never a result or a
 * property of its own.
 *
 * @param text the value of the field; what is malformed is left out
 */
export function readResults(text: string): ReadResult[] {
  const [, ...results] = resultWords(text.toLowerCase()) // the first part is the server
  return results.flatMap(([first = '', ...words]) => {
    const [, method = '', result = ''] = /^([a-z0-9-]+)(?:\/\d+)?=([a-z]+)$/.exec(first) ?? []
    if (method === '') return []
    const pairs = words.flatMap((word): [string, string][] => {
      const [, name, value] = /^([a-z0-9._-]+)=(.*)$/s.exec(word) ?? []
      return name === undefined ? [] : [[name, value!.replaceAll('"', '')]]
    })
    return [{ method, result, properties: new Map(pairs) }]
  })
}

/**
 * Splits a field at semicolons, and each part at white space, but not inside quotes (RFC 5322 §3.2.4). Comments count as
 * white space; white space around "=" is removed. What is never closed ends with the field.
 */
function resultWords(text: string): string[][] {
  const parts: string[][] = [[]]
  let word = ''
  let isSplit = false // white space has followed the word
  let isQuoted = false
  let depth = 0
  const add = (chars: string) => {
    if (isSplit && chars !== '=' && !word.endsWith('=')) {
      parts.at(-1)!.push(word)
      word = ''
    }
    isSplit = false
    word += chars
  }
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!
    const isEscape = char === '\\' && (isQuoted || depth > 0)
    if (isEscape) at += 1
    if (depth > 0) {
      if (char === '(') depth += 1
      else if (char === ')') depth -= 1
    } else if (isQuoted) {
      word += isEscape ? (text[at] ?? '') : char
      if (char === '"') isQuoted = false
    } else if (char === '(') {
      depth = 1
      isSplit = word !== ''
    } else if (char === ';') {
      if (word !== '') parts.at(-1)!.push(word)
      word = ''
      isSplit = false
      parts.push([])
    } else if (/\s/.test(char)) isSplit = word !== ''
    else {
      add(char)
      isQuoted = char === '"'
    }
  }
  if (word !== '') parts.at(-1)!.push(word)
  return parts
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
