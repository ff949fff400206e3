/** Reads the values of IMAP responses: atoms, quoted strings, literals and lists (RFC 9051 §4). */

/** null: NIL. Atoms and strings are both texts, in latin1. */
export type ImapValue = string | null | ImapValue[]

/** @param text one value; what follows it is ignored */
export function readValue(text: string): ImapValue {
  let pos = 0
  return read()

  function read(): ImapValue {
    while (text[pos] === ' ') pos++
    if (text[pos] === '(') return readList()
    if (text[pos] === '"') return readQuoted()
    const literal = /^~?\{(\d+)\}\r\n/.exec(text.slice(pos, pos + 20))
    if (literal) {
      const start = pos + literal[0].length
      pos = start + Number(literal[1])
      return text.slice(start, pos)
    }
    return readAtom()
  }

  function readList(): ImapValue[] {
    const values: ImapValue[] = []
    for (pos++; ; ) {
      while (text[pos] === ' ') pos++
      if (text[pos] === ')') break
      if (pos >= text.length) throw new Error(`a list does not end: ${text.slice(0, 200)}`)
      values.push(read())
    }
    pos++
    return values
  }

  function readQuoted(): string {
    let value = ''
    for (pos++; text[pos] !== '"'; pos++) {
      if (text[pos] === '\\') pos++
      value += text[pos]
    }
    pos++
    return value
  }

  /** The name of a section may contain spaces and parentheses: BODY[HEADER.FIELDS (TO)]. */
  function readAtom(): string | null {
    const start = pos
    let depth = 0
    for (; pos < text.length && (depth > 0 || !' ()'.includes(text[pos]!)); pos++) {
      if (text[pos] === '[') depth++
      if (text[pos] === ']') depth--
    }
    const atom = text.slice(start, pos)
    return atom === 'NIL' ? null : atom
  }
}
