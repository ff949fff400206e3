/**
 * Recognises single lines that mail programs write: separators above quotes and forwards, ruled lines, signatures, and
 * the first lines of bounces. The words of these lines, in many languages, are in quote-vocabulary.ts.
 *
 * Uses tables and plain searches in pieces of limited length, not regular expressions over the whole text: anyone can
 * send a message that makes those slow.
 */
import { beginsWithWord, normaliseLine, wordPattern } from './quote-line.ts'
import {
  ANSWERS_BELOW,
  BEGIN_FORWARDED,
  DEVICE_FILLERS,
  DEVICE_NAMES,
  DEVICE_PHRASES,
  FORWARDED,
  ORIGINAL_MESSAGE,
  POSTSCRIPTS,
  REPORT_OPENINGS,
} from './quote-vocabulary.ts'

const SEPARATOR_CHARS_MAX = 200
const DEVICE_CHARS_MAX = 160
/** Lines of a signature. A longer text below "-- " is not one. */
const SIGNATURE_LINES_MAX = 15
/** A line of so many words with a full stop is a sentence. */
const SENTENCE_WORDS = 5

/** The characters of ruled lines and of separators. */
const RULE_START = /^[-‐‑–—―─_=*~#•\s]+/
const RULE = /^[-‐‑–—―─_=]{5,200}$/

const ORIGINAL = new Set(ORIGINAL_MESSAGE)
const FORWARD = new Set(FORWARDED)
const BEGIN_FORWARD = new Set(BEGIN_FORWARDED)
const DEVICE_WORDS = new Set([...DEVICE_PHRASES, ...DEVICE_NAMES, ...DEVICE_FILLERS].flatMap((each) => each.split(' ')))
const ANSWERS = wordPattern(ANSWERS_BELOW)
const WORD = /[\p{L}\p{M}\d]+(?:[-.][\p{L}\p{M}\d]+)*/gu
/** A character of a script without spaces. */
const UNSPACED = /[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]/
/** Words of such scripts, longest first, so that none hides a longer one. */
const UNSPACED_DEVICE_WORDS = [...DEVICE_WORDS]
  .filter((word) => UNSPACED.test(word))
  .sort((a, b) => b.length - a.length)

/** Whether this is "-----Original Message-----", alone or with more text behind the second dashes. */
export function isOriginalSeparator(line: string): boolean {
  return ORIGINAL.has(separatorText(line) ?? '')
}

/** Whether this is "---------- Forwarded message ----------" or "Begin forwarded message:". */
export function isForwardMarker(line: string): boolean {
  if (FORWARD.has(separatorText(line) ?? '')) return true
  return line.length < SEPARATOR_CHARS_MAX && /[:：]/.test(line.slice(-4)) && isBeginForwarded(line)
}

function isBeginForwarded(line: string): boolean {
  return BEGIN_FORWARD.has(normaliseLine(line, SEPARATOR_CHARS_MAX).replace(/[\s:]+$/, ''))
}

/** Returns the text between dashes. */
function separatorText(line: string): string | undefined {
  if (beginsWithWord(line)) return undefined
  if (!/^[^\p{L}\p{N}>]{0,50}?[-‐‑–—―─_=*~#•]{2}/u.test(line.slice(0, 60))) return undefined
  const text = normaliseLine(line, SEPARATOR_CHARS_MAX)
  const rule = RULE_START.exec(text)
  if (rule === null || rule[0].trim().length < 2) return undefined
  const rest = text.slice(rule[0].length)
  const end = rest.search(/[-‐–—―─_=*~#•:]{2}|:? *$/)
  return rest.slice(0, end).replace(/[\s:]+$/, '')
}

/** Whether this is a line of dashes or underscores, as Outlook writes above a header block. */
export function isRule(line: string): boolean {
  return !beginsWithWord(line) && RULE.test(line.trim())
}

/** Whether this is a title between dashes, in whatever language: "-----Original Appointment-----". */
export function isTitledRule(line: string): boolean {
  return !beginsWithWord(line) && /^\s{0,20}-{3,30}[^-]{3,60}-{3,30}\s{0,20}$/.test(line.slice(0, SEPARATOR_CHARS_MAX))
}

/**
 * Whether this is a line such as "Sent from my iPhone", which the mail program added. It consists of words of such
 * lines only, so "Sent via the office in Bergen." is none.
 */
export function isDeviceSignature(line: string): boolean {
  if (line.length > DEVICE_CHARS_MAX * 2) return false
  const text = normaliseLine(line)
    .replace(/<?https?:\/\/[^\s<>]+>?/g, ' ')
    .replace(/[[\]()]/g, ' ')
  if (text.length > DEVICE_CHARS_MAX) return false
  // The words first: mostly, the first one decides.
  for (const [word] of text.matchAll(WORD)) if (!isDeviceWord(word)) return false
  return DEVICE_PHRASES.some((phrase) => text.includes(phrase)) && DEVICE_NAMES.some((name) => text.includes(name))
}

function isDeviceWord(word: string): boolean {
  if (DEVICE_WORDS.has(word) || /^\d+$/.test(word)) return true
  if (word.includes('-')) return word.split('-').every((part) => isDeviceWord(part))
  if (!UNSPACED.test(word)) return false
  const rest = UNSPACED_DEVICE_WORDS.reduce((text, each) => text.replaceAll(each, ' '), word)
  return rest !== word && rest.split(' ').every((part) => part === '' || DEVICE_WORDS.has(part))
}

/** RFC 3676 §4.3: the line "-- " begins the signature. Without the space it can be a line that a person wrote. */
export function isSignatureSeparator(line: string): boolean {
  return line === '-- ' || line === '--\u00a0'
}

/**
 * Returns how many of the lines below a signature separator are a signature. A sentence below it was perhaps written for
 * this message, so it is kept, and everything below it: slogans and disclaimers as well.
 */
export function signatureLines(lines: readonly string[]): number {
  if (lines.some((line) => line.includes('+unsubscribe@'))) return lines.length // a list of Google Groups
  const texts = lines.map((line) => normaliseLine(line))
  if (texts.filter((text) => text !== '').length > SIGNATURE_LINES_MAX) return 0
  const written = texts.findIndex((text) => isPostscript(text) || isSentence(text))
  return written === -1 ? lines.length : written
}

function isPostscript(text: string): boolean {
  return POSTSCRIPTS.some((word) => text.startsWith(word) && !/^[\p{L}\p{M}]/u.test(text.slice(word.length)))
}

function isSentence(text: string): boolean {
  const end = text.slice(-1) // not /[?]$/, which examines each character
  if (end === '') return false
  if ('?。！？؟'.includes(end)) return true
  return '.!।'.includes(end) && text.split(' ').length >= SENTENCE_WORDS
}

/**
 * Returns the line at which the footer of a mailing list begins: a long line of underscores, and below it the address
 * of the list or of its page. Returns the number of lines if there is none.
 */
export function listFooterStart(lines: readonly string[]): number {
  let seen = 0
  let hasListPage = false
  for (let index = lines.length - 1; index >= 0 && seen <= 6; index--) {
    const text = lines[index]!.trim()
    if (text === '') continue
    if (/^_{30,100}$/.test(text)) return hasListPage ? index : lines.length
    if (isSentence(normaliseLine(text)) && !/@|:\/\//.test(text)) return lines.length
    seen++
    hasListPage ||= /https?:\/\/\S{1,300}\/(?:listinfo|mailman3?|lists|postorius)\//.test(text.slice(0, 400))
  }
  return lines.length
}

/** Whether a line says that answers are in the quoted text: "My answers are in red." */
export function announcesAnswers(line: string): boolean {
  return ANSWERS.test(normaliseLine(line))
}

/** Whether this is the first line of a bounce in plain text. */
export function isReportOpening(line: string): boolean {
  const text = line.slice(0, 200).trim().toLowerCase()
  return REPORT_OPENINGS.some((opening) => text.startsWith(opening))
}
