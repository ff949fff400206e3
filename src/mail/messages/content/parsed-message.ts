/**
 * Parses a message once: everything that is stored of it besides its bytes, so that no later call parses it again.
 *
 * Pure and synchronous. It runs in a thread (parse-worker.thread.ts), so its result, apart from the date and the bytes of
 * the bodies, must survive as JSON.
 */
import type { Limits } from '../../../config/limits.ts'
import { fieldOf, IDEMPOTENCY_KEY, MESSAGE_KEY } from '../../../formats/agentmail-fields.ts'
import type { EvidenceLimits } from '../../../formats/dkim/sender-evidence.ts'
import { linesOfHtml } from '../../../formats/html/html-lines.ts'
import { isAutoSubmitted, isUnanswerableMail } from '../../../formats/mime/automatic-mail.ts'
import { contentFingerprint } from '../../../formats/mime/content-fingerprint.ts'
import { type MimeMessage, parseMessage } from '../../../formats/mime/mime-parse.ts'
import { preview } from '../../../formats/mime/text-preview.ts'
import { extractReply, type ReplyBodies } from '../../../formats/reply/reply-text.ts'
import {
  extractVerification,
  type Verification,
  type VerificationInput,
} from '../../../formats/verification/verification.ts'
import { packContentText } from '../search/content-text.ts'
import { type Bodies, type CompressedBodies, compressJson, jsonOfBodies } from './compressed-bodies.ts'
import { compressSource } from './compressed-source.ts'
import { readHtml } from './html-readings.ts'
import { headerAddresses } from './mail-addresses.ts'

/** The parsed fields that become rows, and the bodies. */
export interface ParsedMail extends Omit<MimeMessage, 'headers' | 'text' | 'html' | 'truncated'> {
  readonly preview?: string
  /** Equal for messages with the same body, From, To, Cc, Subject and Date. */
  readonly fingerprint: string
  /** What a search compares (../search/content-text.ts). */
  readonly searchText: Uint8Array
  /** The message itself, compressed; undefined for a large one (compressed-source.ts). */
  readonly compressedSource?: Uint8Array
  /** What its sender wrote into X-AgentMail-Idempotency-Key, if that is a valid key. */
  readonly idempotencyKey?: string
  /** A program wrote it: RFC 3834 §5. */
  readonly isAutomatic?: true
  /** A program wrote it, or it went to many (RFC 3834 §2): no program may answer it. */
  readonly isUnanswerable?: true
  /** One-time codes and verification links; undefined: not searched for. */
  readonly verification?: Verification
  readonly compressedBodies: CompressedBodies
}

/** @param findsCodes whether codes and links are searched for, which takes a third of the time */
export function parseMail(raw: Buffer, limits: Pick<Limits, 'parsing'>, findsCodes = true): ParsedMail {
  const { headers, text, html, truncated, ...fields } = parseMessage(raw, {
    depthMax: limits.parsing.mimeDepthMax,
    partsMax: limits.parsing.mimePartsMax,
    headerBytesMax: limits.parsing.mimeHeaderBytesMax,
    headerFieldsMax: limits.parsing.mimeHeaderFieldsMax,
    bodyBytesMax: limits.parsing.bodyBytesMax,
    bodyJsonBytesMax: limits.parsing.bodyJsonBytesMax,
  })
  const readings = html === undefined ? undefined : readHtml(html, text === undefined, limits)
  const replyBodies: ReplyBodies = { scannedHtml: () => readings?.quoted }
  if (text !== undefined) replyBodies.text = text
  if (html !== undefined) replyBodies.html = html
  const extracted = extractReply(
    replyBodies,
    { subject: fields.subject, inReplyTo: fields.inReplyTo, references: fields.references },
    limits.parsing.replyTextCharsMax,
  )
  const { extractedHtml } = extracted
  const textFromHtml = readings?.lines
  const extractedText =
    textFromHtml && extractedHtml !== undefined
      ? extractedHtml === html
        ? textFromHtml
        : linesOfHtml(extractedHtml, limits.parsing.htmlTextCharsMax, html)
      : extracted.extractedText
  const bodies: Building<Bodies> = { headers }
  if (text !== undefined) bodies.text = text
  if (html !== undefined) bodies.html = html
  if (textFromHtml) bodies.textFromHtml = textFromHtml
  if (extractedText !== undefined) bodies.extractedText = extractedText
  if (extractedHtml !== undefined) bodies.extractedHtml = extractedHtml
  if (truncated) bodies.isTruncated = true
  const shown = preview(text ?? textFromHtml, limits.parsing.previewCharsMax)
  const json = jsonOfBodies(bodies)
  const compressedBodies = compressJson(json)
  const compressedSource = compressSource(raw, json)
  const idempotencyKey = fieldOf(headers, IDEMPOTENCY_KEY) ?? ''
  const searched = { addresses: headerAddresses(fields), body: text ?? textFromHtml ?? '' }
  const mail: Building<ParsedMail> = {
    fingerprint: contentFingerprint({ headers, ...fields }, raw.subarray(fields.bodyOffset)),
    searchText: packContentText(searched, limits.parsing.searchTextCharsMax),
    compressedBodies,
    ...fields,
  }
  // Member by member: V8 gives objects that are made of several spreads new hidden classes again and again.
  if (shown !== undefined) mail.preview = shown
  if (isAutoSubmitted(headers)) mail.isAutomatic = true
  if (isUnanswerableMail(headers)) mail.isUnanswerable = true
  if (MESSAGE_KEY.test(idempotencyKey)) mail.idempotencyKey = idempotencyKey
  if (compressedSource) mail.compressedSource = compressedSource
  if (findsCodes) {
    const searchedForCodes = { subject: fields.subject, text, html, visibleHtml: readings?.visible }
    mail.verification = findVerification(searchedForCodes, limits)
  }
  return mail
}

type Building<Result> = { -readonly [Name in keyof Result]: Result[Name] }

/** The limits of what readSenderEvidence reads: of the same header as parseMail. */
export function evidenceLimits({ parsing }: Pick<Limits, 'parsing'>): EvidenceLimits {
  return {
    headerBytesMax: parsing.mimeHeaderBytesMax,
    headerFieldsMax: parsing.mimeHeaderFieldsMax,
    signaturesMax: parsing.signaturesMax,
    arcSetsMax: parsing.arcSetsMax,
  }
}

/** Finds the codes and links of a message: when it is parsed, or when it is shown and its row has none stored. */
export function findVerification(content: VerificationInput, limits: Pick<Limits, 'parsing'>): Verification {
  return extractVerification(content, {
    charsMax: limits.parsing.verificationCharsMax,
    findingsMax: limits.parsing.verificationFindingsMax,
    contextCharsMax: limits.parsing.verificationContextCharsMax,
  })
}
