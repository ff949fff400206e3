/** format=flowed (RFC 3676): paragraphs that a mailer wrapped for transport, on one line each again. */

/** RFC 3676 §4.3: this line is a separator and never flows, although it ends in a space. */
const SIGNATURE_SEPARATOR = '-- '

interface FlowedLine {
  quoteDepth: number
  text: string
}

/**
 * Joins flowed lines.
 *
 * @param text   decoded body with LF line ends
 * @param delSp  DelSp=yes: the space that marks a flowed line is not part of the text (languages without spaces)
 * @returns the text with one line a paragraph; quoted lines begin with ">" as often as they did, and a space
 */
export function unflow(text: string, delSp: boolean): string {
  const paragraphs: string[] = []
  let open: { quoteDepth: number; pieces: string[] } | undefined

  const endParagraph = () => {
    if (open !== undefined) paragraphs.push(quoted(open.quoteDepth, open.pieces.join('')))
    open = undefined
  }

  for (const raw of text.split('\n')) {
    const line = readLine(raw)
    // §4.5: a change of quote depth ends a paragraph even where its last line claims to flow
    if (open !== undefined && (open.quoteDepth !== line.quoteDepth || line.text === SIGNATURE_SEPARATOR)) endParagraph()
    open ??= { quoteDepth: line.quoteDepth, pieces: [] }

    const flows = line.text.endsWith(' ') && line.text !== SIGNATURE_SEPARATOR
    open.pieces.push(flows && delSp ? line.text.slice(0, -1) : line.text)
    if (!flows) endParagraph()
  }
  endParagraph()
  return paragraphs.join('\n')
}

/** §4.4: after the quote marks, one leading space is stuffing. */
function readLine(raw: string): FlowedLine {
  let quoteDepth = 0
  while (raw[quoteDepth] === '>') quoteDepth++
  const stuffed = raw[quoteDepth] === ' ' ? 1 : 0
  return { quoteDepth, text: raw.slice(quoteDepth + stuffed) }
}

function quoted(depth: number, text: string): string {
  return depth === 0 ? text : `${'>'.repeat(depth)} ${text}`
}
