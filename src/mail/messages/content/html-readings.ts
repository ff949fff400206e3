/**
 * What the parser derives from the HTML of a message: its lines with the elements of quotes, the text in which codes and
 * links are searched, and its text if the message has no other. The HTML is read once for all of them, unless a limit
 * ends one of them earlier than the others.
 */
import type { Limits } from '../../../config/limits.ts'
import { LinesScan, linesOfHtml, linesSourceCharsMax } from '../../../formats/html/html-lines.ts'
import { HtmlPass } from '../../../formats/html/html-pass.ts'
import { QuotedHtmlScan, type ScannedHtml } from '../../../formats/reply/quoted-html.ts'
import {
  type VisibleText,
  VisibleTextScan,
  visibleSourceCharsMax,
  visibleTextOfHtml,
} from '../../../formats/verification/visible-text.ts'

export interface HtmlReadings {
  /** Undefined if elements are nested too deep, or the HTML is too long for a reply. */
  readonly quoted: ScannedHtml | undefined
  readonly visible: VisibleText
  /** The text in the HTML; undefined if it was not requested. */
  readonly lines: string | undefined
}

/** @param needsLines the message has no text */
export function readHtml(html: string, needsLines: boolean, { parsing }: Pick<Limits, 'parsing'>): HtmlReadings {
  const { replyTextCharsMax, verificationCharsMax, htmlTextCharsMax } = parsing
  const pass = new HtmlPass(html)
  const quotedScan = html.length > replyTextCharsMax ? undefined : pass.add(new QuotedHtmlScan(pass))
  // A scan that reads only a part of the HTML cannot share a pass.
  const visibleScan =
    html.length > visibleSourceCharsMax(verificationCharsMax)
      ? undefined
      : pass.add(new VisibleTextScan(pass, verificationCharsMax))
  const linesScan =
    !needsLines || html.length > linesSourceCharsMax(htmlTextCharsMax)
      ? undefined
      : pass.add(new LinesScan(pass, htmlTextCharsMax))
  const end = quotedScan || visibleScan || linesScan ? pass.read(html) : 'done'
  const linesOf = () =>
    linesScan && pass.isComplete(linesScan) ? linesScan.lines() : linesOfHtml(html, htmlTextCharsMax)
  return {
    quoted: end === 'too_deep' ? undefined : quotedScan?.scanned(),
    visible:
      visibleScan && pass.isComplete(visibleScan)
        ? visibleScan.visibleText()
        : visibleTextOfHtml(html, verificationCharsMax),
    lines: needsLines ? linesOf() : undefined,
  }
}
