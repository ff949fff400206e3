/**
 * Finds everything in a text that has the shape of a one-time code. code-scoring.ts then decides by the surrounding
 * words.
 *
 * Shapes that cannot be codes are excluded here: amounts, dates, times, telephone and account numbers, parts of
 * addresses.
 */

import { isAlphabetic } from './keyword-text.ts'

/** A half-open range of the text that may be a code. */
export interface CodeCandidate {
  readonly start: number
  readonly end: number
  /** The code as a person types it. */
  readonly code: string
  readonly shape: Shape
  /** How much the shape alone looks like a code: about -3 to 2. */
  readonly shapeScore: number
}

export type Shape = 'digits' | 'mixed' | 'letters' | 'words'

/** The form of the codes that RFC 8628 §6.1 recommends for typing on another device: eight consonants. */
const CONSONANTS = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/
/** Three digits can be a number of any kind. */
const CODE_CHARS_MIN = 4
/** More than there are in any message that a person reads. */
const CANDIDATES_MAX = 400
const DASHES = '-‐‒–—−'
const DASH = new RegExp(`[${DASHES}_]`)
/** A letter that the form shows already, before the first group of the code: "G-551 927". */
const PREFIX = new RegExp(`^[A-Z][${DASHES}](?=[0-9]{3,4}$)`)

interface Range {
  start: number
  end: number
}

interface Token extends Range {
  text: string
  /** Several groups that are joined by dashes. */
  hasDash: boolean
  digitCount: number
  capitalCount: number
}

/** @param text  with its addresses masked (text-addresses.ts) */
export function findCandidates(text: string): CodeCandidate[] {
  const candidates: CodeCandidate[] = []
  const tokens = unusualTokens(text)
  for (let index = 0; index < tokens.length && candidates.length < CANDIDATES_MAX; ) {
    const run = tokenRun(text, tokens, index)
    const candidate = run.length > 1 ? groupedCandidate(text, run) : undefined
    if (candidate !== undefined) candidates.push(candidate)
    else if (!isLongNumber(run))
      for (const token of run) {
        const single = tokenCandidate(text, token)
        if (single !== undefined) candidates.push(single)
      }
    index += run.length
  }
  return candidates
}

/** Classes of characters: those of digits and letters are below DASH_CLASS. The last dash is U+2212. */
const [DIGIT_CLASS, UPPER_CLASS, LOWER_CLASS, DASH_CLASS, OTHER_CLASS] = [0, 1, 2, 3, 4] as const
const CHAR_CLASSES = new Uint8Array(0x2213).fill(OTHER_CLASS)
CHAR_CLASSES.fill(DIGIT_CLASS, 0x30, 0x3a).fill(UPPER_CLASS, 0x41, 0x5b).fill(LOWER_CLASS, 0x61, 0x7b)
for (const dash of `${DASHES}_`) CHAR_CLASSES[dash.charCodeAt(0)] = DASH_CLASS

function classAt(text: string, index: number): number {
  const unit = text.charCodeAt(index)
  return unit < CHAR_CLASSES.length ? CHAR_CLASSES[unit]! : OTHER_CLASS
}

/**
 * Returns the groups of ASCII digits and letters, also several that are joined by dashes, except for ordinary words, like
 * most of a text. Groups with spaces between them are several tokens. Reads each character once, and makes no strings of
 * words.
 */
function unusualTokens(text: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    const first = classAt(text, at)
    if (first >= DASH_CLASS) {
      at += 1
      continue
    }
    const start = at
    let hasDash = false
    let digitCount = 0
    let capitalCount = 0
    for (;;) {
      let next = classAt(text, at)
      for (; next < DASH_CLASS; next = classAt(text, at)) {
        if (next === DIGIT_CLASS) digitCount += 1
        else if (next === UPPER_CLASS) capitalCount += 1
        at += 1
      }
      if (next !== DASH_CLASS || classAt(text, at + 1) >= DASH_CLASS) break
      hasDash = true
      at += 1
    }
    // Lower-case letters, except that the first may be a capital.
    const isWord = !hasDash && digitCount === 0 && (capitalCount === 0 || (capitalCount === 1 && first === UPPER_CLASS))
    if (isWord && isOrdinaryWord(text, start, at)) continue
    tokens.push({ start, end: at, text: text.slice(start, at), hasDash, digitCount, capitalCount })
  }
  return tokens
}

/**
 * Returns the token at `index`, and those after it that may be groups of one code: separated by a space, dash or middle
 * dot.
 */
function tokenRun(text: string, tokens: readonly Token[], index: number): Token[] {
  const first = tokens[index]!
  const run = [first]
  if (!isGroup(first) && !(first.hasDash && PREFIX.test(first.text))) return run
  for (let next = index + 1; next < tokens.length && run.length < 16; next++) {
    const token = tokens[next]!
    const previous = run.at(-1)!
    if (token.start - previous.end > 3 || !isGroup(token)) break
    if (!/^(?: {1,2}| ?[-‐‒–—−·•] ?)$/.test(text.slice(previous.end, token.start))) break
    run.push(token)
  }
  return run
}

/** Whether the token can be a group of a longer code. A word before a number cannot: "PIN 4829". */
function isGroup({ text, hasDash, digitCount, capitalCount }: Token): boolean {
  if (hasDash) return /^[0-9-]+$/.test(text)
  if (digitCount === 0) return text.length === 1 && capitalCount === 1
  return digitCount === text.length || (text.length <= 4 && digitCount + capitalCount === text.length)
}

function groupedCandidate(text: string, run: readonly Token[]): CodeCandidate | undefined {
  const start = run[0]!.start
  const end = run.at(-1)!.end
  const groups = run.map((token, index) => (index === 0 ? token.text.replace(PREFIX, '') : token.text))
  const code = groups.join('')
  const size = groups[0]!.length
  const isEven = groups.every((group) => group.length === size)
  if (isUnevenPair(text, run)) return { start, end, code, shape: 'digits', shapeScore: 1 }
  if (!isEven || code.length < 4 || code.length > 12 || size > 5 || isPartOfNumber(text, start, end)) return undefined
  if (/^[0-9]+$/.test(code))
    return code.length > 10
      ? undefined
      : { start, end, code, shape: 'digits', shapeScore: code.length > 8 || (size === 2 && run.length > 3) ? 0 : 1.5 }
  if (!/^[0-9A-Z]+$/.test(code)) return undefined
  const isSpelled = size === 1
  const hasBoth = /[0-9]/.test(code) && /[A-Z]/.test(code)
  if (!isSpelled && !hasBoth) return undefined
  return { start, end, code, shape: hasBoth ? 'mixed' : 'letters', shapeScore: isSpelled ? (hasBoth ? 1 : -0.5) : -1 }
}

/** Whether these are two groups of different length at the end of a line, where no unit follows: "8071 44". */
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

/** Whether this is a telephone, account or card number. None of its groups is a code. */
function isLongNumber(run: readonly Token[]): boolean {
  if (run.length < 2) return false
  const sizes = run.map((token) => token.text.replace(/[^0-9A-Z]/g, '').length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const isDigits = run.filter((token) => /^[0-9-]+$/.test(token.text)).length >= run.length - 1
  return isDigits && total >= 7 && (total > 10 || run.length > 2 || sizes.every((size) => size >= 2 && size <= 4))
}

function tokenCandidate(text: string, token: Token): CodeCandidate | undefined {
  if (token.text.length < CODE_CHARS_MIN) return undefined
  const candidate = shapedCandidate(token)
  if (candidate === undefined || isBetweenWords(text, token.start, token.end)) return candidate
  return isPartOfNumber(text, token.start, token.end) || isPartOfWord(text, token.start, token.end)
    ? undefined
    : candidate
}

/** Whether there are words, spaces and ends of sentences around it that make it part of nothing else: most tokens. */
function isBetweenWords(text: string, start: number, end: number): boolean {
  // Not the ends of "Rs", "Rp" and "xx", and not the beginnings of "kr", "lei" and "zł".
  return (
    text[start - 1] === ' ' &&
    /[a-oqrt-wyz]/.test(text[start - 2] ?? '') &&
    (end === text.length || /^(?: [a-jm-y]|[.,][ \n])/.test(text.slice(end, end + 2)))
  )
}

/** Whether letters are directly before or after it. */
function isPartOfWord(text: string, start: number, end: number): boolean {
  const before = text[start - 1] ?? ''
  const after = text[end] ?? ''
  if (
    /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}'’&]/u.test(before) ||
    /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]/u.test(after)
  )
    return true
  // Turkish adds suffixes to numbers: "2918'i".
  return /^['’](?!(?:i|ı|u|ü|a|e|yi|yı|yu|yü|ye|ya|ni|nı|nu|nü)[^\p{L}])\p{L}/u.test(text.slice(end, end + 5))
}

/** Returns the candidate that this would be without the text around it. */
function shapedCandidate(token: Token): CodeCandidate | undefined {
  const { text, hasDash, digitCount } = token
  if (hasDash) return dashedCandidate(token)
  if (digitCount > 0 && digitCount < text.length) return mixedCandidate(token)
  if (digitCount === 0) return letterCandidate(token)
  const lengthScore = [0, 0, 0, 0, 1, 1.2, 2, 1.3, 1.3, 0.3, 0][digitCount]
  return lengthScore === undefined
    ? undefined
    : candidateOf(token, text, 'digits', lengthScore - (isYear(text) ? 1 : 0))
}

function candidateOf({ start, end }: Range, code: string, shape: Shape, shapeScore: number): CodeCandidate {
  return { start, end, code, shape, shapeScore }
}

function dashedCandidate(token: Token): CodeCandidate | undefined {
  const { text, digitCount, capitalCount } = token
  const groups = text.split(DASH)
  const joined = groups.join('')
  const isEven = groups.every((group) => group.length === groups[0]!.length)
  if (digitCount === joined.length) return dashedDigits(token, groups, joined, isEven)
  const prefixed = PREFIXED_DIGITS.exec(text)
  if (prefixed !== null) return candidateOf(token, prefixed[1]!.split(DASH).join(''), 'digits', 1)
  if (joined.length < 5 || joined.length > 40 || text.includes('_')) return undefined
  if (groups.length > 2 && digitCount >= 4 && groups.some(isYear)) return undefined // "CVE-2026-0417"
  if (digitCount + capitalCount === joined.length && joined.length <= 25 && groups.length <= 6) {
    const shapeScore = digitCount > 0 ? 0.5 : CONSONANTS.test(joined) ? 0.2 : -1.5
    return candidateOf(token, groups.join('-'), digitCount > 0 ? 'mixed' : 'letters', shapeScore + (isEven ? 0.5 : 0))
  }
  if (digitCount > 0 && joined.length <= 20) return candidateOf(token, groups.join('-'), 'mixed', -1.5)
  if (groups.length > 6 || groups.some((group) => group.length < 2)) return undefined
  return candidateOf(token, groups.join('-'), 'words', groups.length > 2 ? -1 : -2)
}

/** A letter that the form shows already, and the code: "G-551927", "G-551-927". */
const PREFIXED_DIGITS = /^[A-Z][-‐‒–—−]([0-9]{4,8}|[0-9]{3}[-‐‒–—−][0-9]{3}|[0-9]{4}[-‐‒–—−][0-9]{4})$/

function dashedDigits(
  token: Token,
  groups: readonly string[],
  joined: string,
  isEven: boolean,
): CodeCandidate | undefined {
  const sizes = groups.map((group) => group.length)
  const isDate =
    groups.length === 3 &&
    sizes.join() !== '2,2,2' &&
    sizes.some((size) => size === 4) &&
    sizes.some((size) => size <= 2)
  const isRange = joined.length === 4 // "from 18-20"
  if (
    joined.length < 4 ||
    joined.length > 10 ||
    isDate ||
    (groups.length > 2 && !isEven) ||
    (sizes[0] === 1 && groups.length < 4)
  )
    return undefined
  return candidateOf(token, joined, 'digits', !isEven || isRange ? -1 : joined.length > 8 ? 0 : 1.5)
}

const UNIT =
  /^[0-9]+(?:st|nd|rd|th|am|pm|h|hr|hrs|min|mins|s|sec|ms|kg|g|mg|ml|cl|l|cm|mm|m|km|mi|ft|gb|mb|kb|tb|kwh|px|pt|x|k|mo|er|eme|gbit|mbit|mah|hz|w|v)$/i

function mixedCandidate(token: Token): CodeCandidate | undefined {
  const { text, digitCount, capitalCount } = token
  const { length } = text
  if (length < 4 || length > 12 || UNIT.test(text) || /^[xX]{2,}[0-9]+$/.test(text)) return undefined
  if (digitCount + capitalCount === length) return candidateOf(token, text, 'mixed', length <= 8 ? 0.7 : -0.5)
  return candidateOf(token, text, 'mixed', capitalCount === 0 ? -1 : -1.5)
}

function letterCandidate(token: Token): CodeCandidate | undefined {
  const { text, capitalCount } = token
  const { length } = text
  if (length < 4 || length > 12) return undefined
  if (capitalCount === length) return candidateOf(token, text, 'letters', isPronounceable(text) ? -1.5 : -0.7)
  if (length > 10 || capitalCount === 1) return undefined
  return candidateOf(token, text, 'letters', capitalCount === 0 ? -3 : isPronounceable(text) ? -2 : -1.2)
}

/**
 * Whether a word is one among other words. A single letter may belong to a code that is spelled out.
 */
function isOrdinaryWord(text: string, start: number, end: number): boolean {
  const length = end - start
  return length > 1 && (length < 4 || length > 12 || isAmongWords(text, start, end))
}

/** Whether other words are beside this one. Lower-case letters can be a code only without such neighbours. */
function isAmongWords(text: string, start: number, end: number): boolean {
  const before = text[start - 1] === ' ' ? text[start - 2] : text[start - 1]
  if (before !== undefined && (isAlphabetic(before) || ',.!?'.includes(before))) return true
  const after = text[end] === ',' ? end + 1 : end
  const next = text[after] === ' ' ? text[after + 1] : text[after]
  return isAlphabetic(next) || /^\p{L}/u.test(next ?? '') || /\p{L}/u.test(before ?? '')
}

/** Whether vowels and consonants alternate as in a word; then the capitals are probably emphasis. */
function isPronounceable(token: string): boolean {
  return !/[^AEIOUY]{4}/i.test(token) && /[AEIOUY]/i.test(token)
}

/** Whether the characters next to this make it part of an amount, date, time, phone number or masked card number. */
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
