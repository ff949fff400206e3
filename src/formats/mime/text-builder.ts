/**
 * Builds a long string of many short pieces in memory of about its size.
 *
 * Adding strings with "+", and `replace` and `replaceAll`, keep every piece and every sum until the end: 60 to 90 bytes for
 * each line break of a text, so that a stranger's megabyte of line breaks takes a hundred.
 */

/** Pieces that are joined at once. */
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

/** The same as `text.replaceAll(search, () => replacement)`. */
export function replaceEach(text: string, search: string, replacement: string): string {
  let from = 0
  let at = text.indexOf(search)
  if (at < 0) return text
  const replaced = new TextBuilder()
  for (; at >= 0; at = text.indexOf(search, from)) {
    if (at > from) replaced.add(text.slice(from, at))
    if (replacement !== '') replaced.add(replacement)
    from = at + search.length
  }
  replaced.add(text.slice(from))
  return replaced.toString()
}

/** Every line break (CRLF, LF, or CR alone) as `lineBreak`. */
export function withLineBreaks(text: string, lineBreak: '\r\n' | '<br>\n'): string {
  return replaceEach(replaceEach(replaceEach(text, '\r\n', '\n'), '\r', '\n'), '\n', lineBreak)
}
