/** Returns the beginning of a message's text on one line, for lists. */

const CHARS_MAX = 200

/**
 * @param text      of the message, or the text in its HTML
 * @param charsMax  in UTF-16 units; a surrogate pair is never split
 * @returns undefined if there is no text
 */
export function preview(text: string | undefined, charsMax = CHARS_MAX): string | undefined {
  if (text === undefined) return undefined
  const start = text.trimStart().slice(0, charsMax * 8) // eight times, because white space is collapsed
  const line = start.replace(/\s+/g, ' ').trimEnd()
  if (line.length <= charsMax) return line === '' ? undefined : line

  const splitsPair = /[\ud800-\udbff]/.test(line[charsMax - 1]!)
  return line.slice(0, splitsPair ? charsMax - 1 : charsMax).trimEnd()
}
