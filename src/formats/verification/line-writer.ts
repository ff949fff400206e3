/** Collects the lines and cells of shown text, and joins codes that are split over them. Pure. */

/** White space that is not a single space. */
const UNUSUAL_SPACE = /[^\S ]| {2}/

/** Collects text and collapses its white space. Empty lines and cells are left out. */
export class LineWriter {
  length = 0
  readonly #pieces: string[] = []
  #separator = ''
  #isAtLineStart = true

  get text(): string {
    return this.#pieces.join('')
  }

  /** @param startsLine  whether the text begins a new line */
  write(text: string, startsLine = false): void {
    if (startsLine) this.endLine()
    const collapsed = UNUSUAL_SPACE.test(text) ? text.replace(/\s+/g, ' ') : text
    if (collapsed.startsWith(' ') && this.#separator === '') this.#separator = ' '
    const trimmed = collapsed.trim()
    if (trimmed === '') return
    this.#add((this.#isAtLineStart ? '' : this.#separator) + trimmed)
    this.#isAtLineStart = false
    this.#separator = collapsed.endsWith(' ') ? ' ' : ''
  }

  endCell(): void {
    if (this.#separator !== '\n') this.#separator = '\t'
  }

  endLine(): void {
    if (!this.#isAtLineStart) this.#add('\n')
    this.#isAtLineStart = true
    this.#separator = ''
  }

  #add(piece: string): void {
    this.#pieces.push(piece)
    this.length += piece.length
  }
}

/** Consecutive lines of one character each, or of equally long groups of digits. */
const STACKED_LINES =
  /(?<![^\n])(?:(?:[0-9A-Z]\n){4,12}(?![0-9A-Z]\n)|(?:[0-9]{3}\n){2,3}(?![0-9]{3}\n)|(?:[0-9]{2}\n){3,4}(?![0-9]{2}\n))/g

/** All but the first of these lines. Faster to search than what it is a part of. */
const SHORT_LINE = /\n[0-9A-Z]{1,3}\n/

/**
 * Joins a code whose characters (or groups) have a cell or line each: "4\t8\t2\t9" and "4\n8\n2\n9" become "4 8 2 9".
 * Only the separators change, so all offsets stay the same.
 */
export function joinSplitCodes(text: string): string {
  const joined = (line: string) => (isSplitCode(line) ? line.replaceAll('\t', ' ') : line)
  const cells = text.includes('\t') ? text.replace(/(?<![^\n])[^\n]{3,60}(?=\n)/g, joined) : text
  return !SHORT_LINE.test(cells)
    ? cells
    : cells.replace(STACKED_LINES, (run) => `${run.slice(0, -1).replaceAll('\n', ' ')}\n`)
}

function isSplitCode(line: string): boolean {
  if (!line.includes('\t')) return false
  const cells = line.split('\t').map((cell) => cell.trim())
  const groups = cells.filter((cell) => !/^[-–—·•]?$/.test(cell))
  const size = groups[0]?.length ?? 0
  const total = size * groups.length
  if (groups.length < 2 || total < 4 || total > 12 || size > 4) return false
  return groups.every((group) => group.length === size && /^[0-9A-Za-z]+$/.test(group)) && /[0-9]/.test(line)
}
