/**
 * What a mail asks its reader to prove: one-time codes to type, and links to open. An agent that signs up somewhere needs
 * nothing else of such mails.
 *
 * Pure, and bounded by `charsMax`: it runs on every mail that a stranger sends.
 */

import { visibleTextOfHtml, visibleTextOfPlain } from '../html/visible-text.ts'
import { type FoundCode, findCodes } from './codes.ts'
import { plainText } from './keyword-text.ts'
import { type FoundLink, findLinks } from './verification-links.ts'

export interface Verification {
  /** Best first; nearly always none or one. */
  readonly codes: readonly FoundCode[]
  /** Best first; nearly always none or one. */
  readonly links: readonly FoundLink[]
}

/** The header field and the bodies, all decoded. */
export interface MailContent {
  readonly subject?: string | undefined
  readonly text?: string | undefined
  readonly html?: string | undefined
}

export interface VerificationBounds {
  /** Of the text of each body that is looked at: such mails are short, and what stands far below is a footer. */
  readonly charsMax: number
  /** Codes that are given, and links. */
  readonly findingsMax: number
  /** Characters of a finding's context. */
  readonly contextCharsMax: number
}

const SUBJECT_CHARS_MAX = 1000

/** Never throws, whatever the content. */
export function extractVerification(
  { subject = '', text, html }: MailContent,
  { charsMax, findingsMax, contextCharsMax }: VerificationBounds,
): Verification {
  const bodies = [
    ...(text === undefined ? [] : [visibleTextOfPlain(text, charsMax)]),
    ...(html === undefined ? [] : [visibleTextOfHtml(html, charsMax)]),
  ]
  const line = plainText(subject.slice(0, SUBJECT_CHARS_MAX)).replace(/\s+/g, ' ').trim()
  const codes = findCodes(line, bodies, contextCharsMax).slice(0, findingsMax)
  const known = codes.map(({ code }) => code)
  return { codes, links: findLinks(line, bodies, known, contextCharsMax).slice(0, findingsMax) }
}
