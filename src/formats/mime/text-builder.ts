/**
 * Builds a long string from many short pieces, using about as much memory as the string.
 *
 * String concatenation with "+", `replace` and `replaceAll` keep every piece and intermediate result in memory until
 * the end: 60 to 90 bytes per line break of a text, so that a hostile megabyte of line breaks would take a hundred
 * megabytes.
 */

/** Pieces that are joined at a time. */
const PIECES_MAX = 4096

export class TextBuilder {
  #joined = ''
  #pieces: string[] = []

  add(piece: string): void {
    this.#pieces.push(piece)
    if (this.#pieces.length < PIECES_MAX) return
    this.#joined += this.#pieces.join('')
    this.#pieces = []
  }

  toString(): string {
    return this.#joined + this.#pieces.join('')
  }
}

/** Returns the same as `text.replaceAll(search, () => replacement)`. */
export function replaceEach(text: string, search: string, replacement: string): string {
  let from = 0
  let index = text.indexOf(search)
  if (index < 0) return text
  const replaced = new TextBuilder()
  for (; index >= 0; index = text.indexOf(search, from)) {
    if (index > from) replaced.add(text.slice(from, index))
    if (replacement !== '') replaced.add(replacement)
    from = index + search.length
  }
  replaced.add(text.slice(from))
  return replaced.toString()
}

/** Replaces every line break (CRLF, LF, or CR alone) with `lineBreak`. */
export function withLineBreaks(text: string, lineBreak: '\r\n' | '<br>\n'): string {
  return replaceEach(replaceEach(replaceEach(text, '\r\n', '\n'), '\r', '\n'), '\n', lineBreak)
}
