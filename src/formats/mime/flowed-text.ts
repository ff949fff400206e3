/** Decodes format=flowed (RFC 3676): joins the lines of each paragraph that a mail program wrapped for transport. */
import { TextBuilder } from './text-builder.ts'

/** RFC 3676 §4.3: this line never flows, although it ends in a space. */
const SIGNATURE_SEPARATOR = '-- '

const GREATER_THAN = 0x3e
const SPACE = 0x20

/**
 * Joins flowed lines.
 *
 * @param text   decoded body with LF line ends
 * @param delSp  DelSp=yes: the space that marks a flowed line is not part of the text (languages without spaces)
 * @returns the text with one line per paragraph; quoted paragraphs begin with the same number of ">" and a space
 */
export function unflow(text: string, delSp: boolean): string {
  const unflowed = new TextBuilder()
  let openDepth = -1 // quote depth of the paragraph that the next line continues; -1 if there is none

  for (let start = 0, end = 0; start <= text.length; start = end + 1) {
    end = text.indexOf('\n', start)
    if (end < 0) end = text.length
    let depth = 0
    while (text.charCodeAt(start + depth) === GREATER_THAN) depth++
    const stuffed = text.charCodeAt(start + depth) === SPACE ? 1 : 0 // §4.4: after the quote marks
    const line = text.slice(start + depth + stuffed, end)

    // §4.5: a change of quote depth ends a paragraph, even if its last line ends in a space
    if (openDepth !== depth || line === SIGNATURE_SEPARATOR) {
      if (start > 0) unflowed.add('\n')
      if (depth > 0) unflowed.add(`${text.slice(start, start + depth)} `)
    }
    const flows = line.endsWith(' ') && line !== SIGNATURE_SEPARATOR
    unflowed.add(flows && delSp ? line.slice(0, -1) : line)
    openDepth = flows ? depth : -1
  }
  return unflowed.toString()
}
