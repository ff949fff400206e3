/**
 * Finds the one-time codes to type and the verification links to open in a message. An agent that signs up somewhere
 * needs nothing else from such messages.
 *
 * Pure, and its time is limited by `charsMax`: it runs on every message, and anyone can send one.
 */

import { plainText } from './keyword-text.ts'
import { type FoundCode, findCodes } from './verification-codes.ts'
import { type FoundLink, findLinks } from './verification-links.ts'
import { type VisibleText, visibleTextOfHtml, visibleTextOfPlain } from './visible-text.ts'

export interface Verification {
  /** Best first; nearly always none or one. */
  readonly codes: readonly FoundCode[]
  /** Best first; nearly always none or one. */
  readonly links: readonly FoundLink[]
}

/** The Subject field and the bodies, decoded. */
export interface VerificationInput {
  readonly subject?: string | undefined
  readonly text?: string | undefined
  readonly html?: string | undefined
  /** What the HTML shows, up to `charsMax`, if the caller has read it. */
  readonly visibleHtml?: VisibleText | undefined
}

export interface VerificationBounds {
  /** Characters of each body that are searched. Such messages are short; what comes later is a footer. */
  readonly charsMax: number
  /** Codes returned, and links returned. */
  readonly findingsMax: number
  /** Characters of the context of a code or link. */
  readonly contextCharsMax: number
}

const SUBJECT_CHARS_MAX = 1000

/** Never throws, whatever the content. */
export function extractVerification(
  { subject = '', text, html, visibleHtml }: VerificationInput,
  { charsMax, findingsMax, contextCharsMax }: VerificationBounds,
): Verification {
  const bodies = [
    ...(text === undefined ? [] : [visibleTextOfPlain(text, charsMax)]),
    ...(html === undefined ? [] : [visibleHtml ?? visibleTextOfHtml(html, charsMax)]),
  ]
  const line = plainText(subject.slice(0, SUBJECT_CHARS_MAX)).replace(/\s+/g, ' ').trim()
  const codes = findCodes(line, bodies, contextCharsMax).slice(0, findingsMax)
  const codeTexts = codes.map(({ code }) => code)
  return { codes, links: findLinks(line, bodies, codeTexts, contextCharsMax).slice(0, findingsMax) }
}
