/**
 * Everything in a line of text that has the shape of a one-time code, whatever it is; codes.ts judges by what surrounds it.
 *
 * Shapes that cannot be codes end here: amounts, dates, times, telephone and account numbers, parts of addresses.
 */

import { isAlphabetic } from './keyword-text.ts'

/** Half-open positions in the text. */
export interface Candidate {
  readonly start: number
  readonly end: number
  /** As it is to be typed. */
  readonly code: string
  readonly shape: Shape
  /** How much the shape alone looks like a code: about -3 to 2. */
  readonly likeness: number
}

export type Shape = 'digits' | 'mixed' | 'letters' | 'words'

/** Of which RFC 8628 §6.1 has codes made that are typed on another device. */
const CONSONANTS = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/
/** Three digits are a number of anything. */
const CODE_CHARS_MIN = 4
/** More than any mail that a person reads. */
const CANDIDATES_MAX = 400
const DASHES = '-‐‒–—−'
/** A word with dashes, or digits with blanks or dots between them are several of these. */
const TOKEN = new RegExp(`[0-9A-Za-z]+(?:[${DASHES}_][0-9A-Za-z]+)*`, 'g')
const DASH = new RegExp(`[${DASHES}_]`)

interface Token {
  start: number
  end: number
  text: string
}

/** @param text  without addresses */
export function codeCandidates(text: string): Candidate[] {
  const candidates: Candidate[] = []
  const tokens: Token[] = []
  for (const { 0: token, index: start } of text.matchAll(TOKEN)) {
    const end = start + token.length
    if (!isOrdinary(text, token, start, end)) tokens.push({ start, end, text: token })
  }
  for (let at = 0; at < tokens.length && candidates.length < CANDIDATES_MAX; ) {
    const run = groupedRun(text, tokens, at)
    const candidate = run.length > 1 ? ofGroups(text, run) : undefined
    if (candidate !== undefined) candidates.push(candidate)
    else if (!isLongNumber(run))
      for (const token of run) {
        const single = ofToken(text, token)
        if (single !== undefined) candidates.push(single)
      }
    at += run.length
  }
  return candidates
}

/** Groups that are divided by one blank, dash or dot in the middle, and are all digits or all as long as each other. */
function groupedRun(text: string, tokens: readonly Token[], at: number): Token[] {
  const run = [tokens[at]!]
  if (!isGroup(run[0]!)) return run
  for (let next = at + 1; next < tokens.length && run.length < 16; next++) {
    const token = tokens[next]!
    const previous = run.at(-1)!
    if (!isGroup(token) || token.start - previous.end > 3) break
    if (!/^(?: {1,2}| ?[-‐‒–—−·•] ?)$/.test(text.slice(previous.end, token.start))) break
    run.push(token)
  }
  return run
}

/** Not a word before a number: "PIN 4829". */
function isGroup({ text }: Token): boolean {
  return (
    /^[0-9-]+$/.test(text) ||
    /^[A-Z]$/.test(text) ||
    (text.length <= 4 && /^[0-9A-Z]+$/.test(text) && /[0-9]/.test(text))
  )
}

function ofGroups(text: string, run: readonly Token[]): Candidate | undefined {
  const start = run[0]!.start
  const end = run.at(-1)!.end
  const code = run.map((token) => token.text).join('')
  const size = run[0]!.text.length
  const isEven = run.every((token) => token.text.length === size)
  if (isUnevenPair(text, run)) return { start, end, code, shape: 'digits', likeness: 1 }
  if (!isEven || code.length < 4 || code.length > 12 || size > 5 || isPartOfNumber(text, start, end)) return undefined
  if (/^[0-9]+$/.test(code))
    return code.length > 10
      ? undefined
      : { start, end, code, shape: 'digits', likeness: code.length > 8 || (size === 2 && run.length > 3) ? 0 : 1.5 }
  if (!/^[0-9A-Z]+$/.test(code)) return undefined
  const isSpelled = size === 1
  const hasBoth = /[0-9]/.test(code) && /[A-Z]/.test(code)
  if (!isSpelled && !hasBoth) return undefined
  return { start, end, code, shape: hasBoth ? 'mixed' : 'letters', likeness: isSpelled ? (hasBoth ? 1 : -0.5) : -1 }
}

/** "8071 44" at the end of a line, where no unit follows. */
function isUnevenPair(text: string, run: readonly Token[]): boolean {
  const sizes = run.map((token) => token.text.length).join()
  const end = run.at(-1)!.end
  return (
    /^(?:4,2|2,4|2,3|3,2)$/.test(sizes) &&
    run.every((token) => /^[0-9]+$/.test(token.text)) &&
    /^[.。]?(?:\n|$)/.test(text.slice(end, end + 2)) &&
    !isPartOfNumber(text, run[0]!.start, end)
  )
}

/** A telephone, account or card number, which is no code in any of its groups. */
function isLongNumber(run: readonly Token[]): boolean {
  if (run.length < 2) return false
  const sizes = run.map((token) => token.text.replace(/[^0-9A-Z]/g, '').length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const isDigits = run.filter((token) => /^[0-9-]+$/.test(token.text)).length >= run.length - 1
  return isDigits && total >= 7 && (total > 10 || run.length > 2 || sizes.every((size) => size >= 2 && size <= 4))
}

function ofToken(text: string, { start, end, text: token }: Token): Candidate | undefined {
  if (token.length < CODE_CHARS_MIN) return undefined
  if (isPartOfNumber(text, start, end)) return undefined
  const before = text[start - 1] ?? ''
  const after = text[end] ?? ''
  if (
    /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}'’&]/u.test(before) ||
    /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]/u.test(after)
  )
    return undefined
  // Turkish puts an ending after a number: "2918'i".
  if (/^['’](?!(?:i|ı|u|ü|a|e|yi|yı|yu|yü|ye|ya|ni|nı|nu|nü)[^\p{L}])\p{L}/u.test(text.slice(end, end + 5)))
    return undefined
  const groups = token.split(DASH)
  const at = { start, end }
  if (groups.length > 1) return ofDashed(at, token, groups)
  if (/^[0-9]+$/.test(token)) {
    const likeness = [0, 0, 0, 0, 1, 1.2, 2, 1.3, 1.3, 0.3, 0][token.length]
    return token.length < 4 || likeness === undefined
      ? undefined
      : { ...at, code: token, shape: 'digits', likeness: likeness - (isYear(token) ? 1 : 0) }
  }
  if (/[0-9]/.test(token)) return ofMixed(at, token)
  return ofLetters(at, token)
}

function ofDashed(at: { start: number; end: number }, token: string, groups: readonly string[]): Candidate | undefined {
  const joined = groups.join('')
  const sizes = groups.map((group) => group.length)
  if (/^[0-9]+$/.test(joined)) {
    const isDate =
      groups.length === 3 &&
      sizes.join() !== '2,2,2' &&
      sizes.some((size) => size === 4) &&
      sizes.some((size) => size <= 2)
    const isEven = sizes.every((size) => size === sizes[0])
    const isRange = joined.length === 4 // "from 18-20"
    if (
      joined.length < 4 ||
      joined.length > 10 ||
      isDate ||
      (groups.length > 2 && !isEven) ||
      (sizes[0] === 1 && groups.length < 4)
    )
      return undefined
    return { ...at, code: joined, shape: 'digits', likeness: !isEven || isRange ? -1 : joined.length > 8 ? 0 : 1.5 }
  }
  const prefixed = /^[A-Z][-‐‒–—−]([0-9]{4,8})$/.exec(token)
  if (prefixed !== null) return { ...at, code: prefixed[1]!, shape: 'digits', likeness: 1 }
  if (joined.length < 5 || joined.length > 40 || token.includes('_')) return undefined
  if (groups.length > 2 && groups.some(isYear)) return undefined // "CVE-2026-0417"
  const code = groups.join('-')
  if (/^[0-9A-Z]+$/.test(joined) && joined.length <= 25 && groups.length <= 6) {
    const hasDigits = /[0-9]/.test(joined)
    const isEven = sizes.every((size) => size === sizes[0])
    return {
      ...at,
      code,
      shape: hasDigits ? 'mixed' : 'letters',
      likeness: (hasDigits ? 0.5 : CONSONANTS.test(joined) ? 0.2 : -1.5) + (isEven ? 0.5 : 0),
    }
  }
  if (/^[0-9A-Za-z]+$/.test(joined) && /[0-9]/.test(joined) && joined.length <= 20)
    return { ...at, code, shape: 'mixed', likeness: -1.5 }
  if (groups.length < 2 || groups.length > 6 || sizes.some((size) => size < 2)) return undefined
  return { ...at, code, shape: 'words', likeness: groups.length > 2 ? -1 : -2 }
}

const UNIT =
  /^[0-9]+(?:st|nd|rd|th|am|pm|h|hr|hrs|min|mins|s|sec|ms|kg|g|mg|ml|cl|l|cm|mm|m|km|mi|ft|gb|mb|kb|tb|kwh|px|pt|x|k|mo|er|eme|gbit|mbit|mah|hz|w|v)$/i

function ofMixed(at: { start: number; end: number }, token: string): Candidate | undefined {
  if (token.length < 4 || token.length > 12 || UNIT.test(token) || /^[xX]{2,}[0-9]+$/.test(token)) return undefined
  if (/^[0-9A-Z]+$/.test(token)) return { ...at, code: token, shape: 'mixed', likeness: token.length <= 8 ? 0.7 : -0.5 }
  return { ...at, code: token, shape: 'mixed', likeness: /^[0-9a-z]+$/.test(token) ? -1 : -1.5 }
}

function ofLetters(at: { start: number; end: number }, token: string): Candidate | undefined {
  if (token.length < 4 || token.length > 12) return undefined
  if (/^[A-Z]+$/.test(token)) return { ...at, code: token, shape: 'letters', likeness: isWordLike(token) ? -1.5 : -0.7 }
  const capitals = token.replace(/[^A-Z]/g, '').length
  if (capitals >= 2 && token.length <= 10)
    return { ...at, code: token, shape: 'letters', likeness: isWordLike(token) ? -2 : -1.2 }
  return /^[a-z]+$/.test(token) && token.length <= 10
    ? { ...at, code: token, shape: 'letters', likeness: -3 }
    : undefined
}

/** Most of a text: words among words. One letter may be of a code that is spelled out. */
function isOrdinary(text: string, token: string, start: number, end: number): boolean {
  return token.length > 1 && isWord(token) && (token.length < 4 || token.length > 12 || isAmongWords(text, start, end))
}

/** Small letters, perhaps after a capital. */
function isWord(token: string): boolean {
  for (let at = 0; at < token.length; at++) {
    const code = token.charCodeAt(at)
    if (!(code >= 0x61 && code <= 0x7a) && !(at === 0 && code >= 0x41 && code <= 0x5a)) return false
  }
  return true
}

/** Small letters are a code only where they stand for themselves. */
function isAmongWords(text: string, start: number, end: number): boolean {
  const before = text[start - 1] === ' ' ? text[start - 2] : text[start - 1]
  if (before !== undefined && (isAlphabetic(before) || ',.!?'.includes(before))) return true
  const after = text[end] === ',' ? end + 1 : end
  const next = text[after] === ' ' ? text[after + 1] : text[after]
  return isAlphabetic(next) || /^\p{L}/u.test(next ?? '') || /\p{L}/u.test(before ?? '')
}

/** Vowels among consonants, as in words that are shouted. */
function isWordLike(token: string): boolean {
  return !/[^AEIOUY]{4}/i.test(token) && /[AEIOUY]/i.test(token)
}

/** Whether digits, points, slashes or colons next to it make it an amount, a date, a time, a phone number or a mask. */
function isPartOfNumber(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 6), start)
  const after = text.slice(end, end + 6)
  if (
    /[0-9][.,:/'’]$|[+/§]$|\+[0-9() ]*$|[0-9]\)[ -]?$/.test(before) ||
    (/^[.,:/'’][0-9]|^\/|^[°]/.test(after) &&
      !/^[,.:][0-9]{1,3} ?[\p{Script=Han}\p{Script=Hangul}](?<![元円圆원])/u.test(after))
  )
    return true
  if (/(?:\.\.\.|[•●∙·xX×#]{2,}|\*{2,}) ?-?$/.test(before) && !/^[*•·]{2,}/.test(after)) return true
  if (
    /(?:[$€£¥₹₽₩₺฿₫₴₪]|R\$|Fr\.) ?-?$/.test(before) ||
    /^ ?(?:[%$€£¥₹₽₩₺฿₫₴₪‰]|(?:円|元|원|บาท|د\.|ש"ח|р\.|руб|грн|zł|kr|Kč|TL|lei|Ft|đ)(?![\p{L}]))/u.test(after)
  )
    return true
  if (
    /(?:^|[^A-Za-z])(?:EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|INR|Rs\.?|Rp\.?|VND|BRL|CNY|NT\$|RM|TRY|UAH|RUB) ?$/.test(
      text.slice(Math.max(0, start - 8), start),
    )
  )
    return true
  return /^ ?(?:EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|INR|VND|BRL|CNY|TRY|UAH|RUB|THB|KRW)(?![A-Za-z])/.test(after)
}

export function isYear(token: string): boolean {
  return /^(?:19|20)[0-9]{2}$/.test(token)
}
