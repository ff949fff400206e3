/** The beginning of a mail's text on one line, for lists. */

const CHARS_MAX = 200

/**
 * @param text      from text/plain parts; HTML-only mail has no preview (AgentMail's contract)
 * @param charsMax  UTF-16 units at most; never cuts a character in two
 * @returns undefined when there is no text to show
 */
export function preview(text: string | undefined, charsMax = CHARS_MAX): string | undefined {
  if (text === undefined) return undefined
  const start = text.trimStart().slice(0, charsMax * 8) // white space collapses: more is never needed, nor looked at
  const line = start.replace(/\s+/g, ' ').trimEnd()
  if (line.length <= charsMax) return line === '' ? undefined : line

  const splitsPair = /[\ud800-\udbff]/.test(line[charsMax - 1]!) // a high surrogate would lose its other half
  return line.slice(0, splitsPair ? charsMax - 1 : charsMax).trimEnd()
}
