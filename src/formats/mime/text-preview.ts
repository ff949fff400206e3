/** Returns the beginning of a message's text on one line, for lists. */
import { collapseSpace } from '../search/search-signature.ts'

const CHARS_MAX = 200

/**
 * @param text      of the message, or the text in its HTML
 * @param charsMax  in UTF-16 units; a surrogate pair is never split
 * @returns undefined if there is no text
 */
export function preview(text: string | undefined, charsMax = CHARS_MAX): string | undefined {
  if (text === undefined) return undefined
  const beginning = text.trimStart()
  // White space is collapsed: twice as many characters are enough for most texts.
  const usual = onOneLine(beginning.slice(0, charsMax * 2))
  const line = usual.length > charsMax ? usual : onOneLine(beginning.slice(0, charsMax * 8))
  if (line.length <= charsMax) return line === '' ? undefined : line

  const splitsPair = /[\ud800-\udbff]/.test(line[charsMax - 1]!)
  return line.slice(0, splitsPair ? charsMax - 1 : charsMax).trimEnd()
}

function onOneLine(text: string): string {
  return collapseSpace(text).trimEnd()
}
