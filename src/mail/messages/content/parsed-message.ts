/**
 * Parses a message once: everything that is stored of it besides its bytes, so that no later call parses it again.
 *
 * Pure and synchronous: it runs on the event loop for small messages and in a thread (parse-worker.thread.ts) for large
 * ones, so its result must survive a structured clone.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Limits } from '../../../config/limits.ts'
import { linesOfHtml } from '../../../formats/html/html-lines.ts'
import { textOfHtml } from '../../../formats/html/html-text.ts'
import { contentFingerprint } from '../../../formats/mime/content-fingerprint.ts'
import { type MimeMessage, parseMessage } from '../../../formats/mime/mime-parse.ts'
import { preview } from '../../../formats/mime/text-preview.ts'
import { extractReply } from '../../../formats/reply/reply-text.ts'
import { extractVerification, type MailContent, type Verification } from '../../../formats/verification/verification.ts'

/** The parsed fields that become rows, and the bodies. */
export interface ParsedMail extends Omit<MimeMessage, 'headers' | 'text' | 'html'> {
  readonly preview?: string
  /** Equal for messages with the same body, From, To, Cc, Subject and Date. */
  readonly fingerprint: string
  /** The text that search indexes. */
  readonly searchText: string
  /** One-time codes and verification links. */
  readonly verification: Verification
  /** Compressed `Bodies`. */
  readonly compressedBodies: Uint8Array
}

/** What is stored of the text and header, beside the raw bytes. */
export interface Bodies {
  readonly text?: string
  readonly html?: string
  /** The text in the HTML of a message without text. */
  readonly textFromHtml?: string
  readonly extractedText?: string
  readonly extractedHtml?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export function parseMail(raw: Buffer, limits: Limits): ParsedMail {
  const { headers, text, html, ...fields } = parseMessage(raw, {
    depthMax: limits.parsing.mimeDepthMax,
    partsMax: limits.parsing.mimePartsMax,
    headerBytesMax: limits.parsing.mimeHeaderBytesMax,
    headerFieldsMax: limits.parsing.mimeHeaderFieldsMax,
    bodyBytesMax: limits.parsing.bodyBytesMax,
    bodyJsonBytesMax: limits.parsing.bodyJsonBytesMax,
  })
  const extracted = extractReply(
    { ...(text !== undefined && { text }), ...(html !== undefined && { html }) },
    limits.parsing.replyTextCharsMax,
  )
  const { extractedHtml } = extracted
  const charsMax = limits.parsing.htmlTextCharsMax
  const textFromHtml = text === undefined && html !== undefined ? linesOfHtml(html, charsMax) : undefined
  const extractedText =
    textFromHtml && extractedHtml !== undefined ? linesOfHtml(extractedHtml, charsMax) : extracted.extractedText
  const bodies: Bodies = {
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    ...(textFromHtml && { textFromHtml }),
    ...(extractedText !== undefined && { extractedText }),
    ...(extractedHtml !== undefined && { extractedHtml }),
    headers,
  }
  const shown = preview(text ?? textFromHtml, limits.parsing.previewCharsMax)
  return {
    ...fields,
    ...(shown !== undefined && { preview: shown }),
    fingerprint: contentFingerprint(fields, raw.subarray(fields.bodyOffset)),
    searchText: searchText(text, html, limits.parsing.searchTextCharsMax),
    verification: findVerification({ subject: fields.subject, text, html }, limits),
    compressedBodies: compressBodies(bodies),
  }
}

/** Finds the codes and links of a message: when it is parsed, or when it is shown and its row has none stored. */
export function findVerification(content: MailContent, limits: Limits): Verification {
  return extractVerification(content, {
    charsMax: limits.parsing.verificationCharsMax,
    findingsMax: limits.parsing.verificationFindingsMax,
    contextCharsMax: limits.parsing.verificationContextCharsMax,
  })
}

function searchText(text: string | undefined, html: string | undefined, charsMax: number): string {
  if (text !== undefined) return text.slice(0, charsMax)
  return html === undefined ? '' : textOfHtml(html, charsMax)
}

/** Level 1 compresses the text of mail to a third; higher levels cost more time than they save bytes. */
function compressBodies(bodies: Bodies): Uint8Array {
  return deflateRawSync(toJson(bodies), { level: 1 })
}

const PIECE_CHARS = 64 * 1024

/**
 * Returns the bytes that JSON.stringify returns, except that half of a surrogate pair at the border of two pieces
 * becomes an escape.
 *
 * It works in pieces, outside of the JavaScript heap: as one string, a body of control characters takes twelve times
 * its size, and one allocation of that size beyond the thread's heap limit ends the whole process instead of the
 * thread.
 */
function toJson({ headers, ...texts }: Bodies): Buffer {
  const pieces = [Buffer.from(`{"headers":${JSON.stringify(headers)}`)]
  for (const [name, text] of Object.entries(texts)) {
    pieces.push(Buffer.from(`,"${name}":"`))
    for (let at = 0; at < text.length; at += PIECE_CHARS)
      pieces.push(Buffer.from(JSON.stringify(text.slice(at, at + PIECE_CHARS)).slice(1, -1)))
    pieces.push(Buffer.from('"'))
  }
  pieces.push(Buffer.from('}'))
  return Buffer.concat(pieces)
}

export function decompressBodies(compressed: Uint8Array): Bodies {
  return JSON.parse(inflateRawSync(compressed).toString()) as Bodies
}
