/**
 * Reads the tokens of one command (RFC 9051 §9): a cursor over its bytes as they were sent, literals included. Every
 * method reads at the cursor and moves it, or throws ImapSyntaxError. No method looks at a byte more than twice.
 */
import { ASTRING, ATOM, DIGIT, ImapSyntaxError, isIn, LIST, TAG } from './imap-syntax.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

export class TokenReader {
  readonly #wire: string
  #at = 0

  /** @param wire one character per byte, without the line end of the command */
  constructor(wire: string) {
    this.#wire = wire
  }

  isAtEnd(): boolean {
    return this.#at >= this.#wire.length
  }

  end(): void {
    if (!this.isAtEnd()) this.fail('unexpected text after the command')
  }

  isNext(text: string): boolean {
    return this.#wire.startsWith(text, this.#at)
  }

  /** Moves the cursor past `text` if it is there. */
  skip(text: string): boolean {
    if (!this.isNext(text)) return false
    this.#at += text.length
    return true
  }

  expect(text: string): void {
    if (!this.skip(text)) this.#missing(text === ' ' ? 'a space' : `"${text}"`)
  }

  space(): void {
    this.expect(' ')
  }

  tag(): string {
    return this.#run(TAG, 'the tag')
  }

  atom(name = 'an atom'): string {
    return this.#run(ATOM, name)
  }

  /** An atom whose case has no meaning. */
  keyword(name = 'a keyword'): string {
    return this.atom(name).toUpperCase()
  }

  /** The word that follows, in upper case, up to a character that no keyword has. The cursor does not move. */
  peekWord(): string {
    let end = this.#at
    while (isIn(this.#wire.charCodeAt(end), ATOM)) end += 1
    return this.#wire.slice(this.#at, end).toUpperCase()
  }

  /** Below 2^53. */
  number(name = 'a number'): number {
    const digits = this.#digits(name)
    const value = Number(digits)
    if (!Number.isSafeInteger(value)) this.fail(`${name} is too large`)
    return value
  }

  /** 1 to 2^32-1: nz-number, and everything that counts messages. */
  positive(name = 'a number'): number {
    const value = this.number(name)
    if (value === 0 || value > 0xffffffff) this.fail(`${name} must be 1 to 4294967295`)
    return value
  }

  /** RFC 7162 §7: mod-sequence values have 63 bits. */
  modseq(): bigint {
    const value = BigInt(this.#digits('a mod-sequence'))
    if (value > 0x7fff_ffff_ffff_ffffn) this.fail('a mod-sequence is too large')
    return value
  }

  isDigitNext(): boolean {
    return isIn(this.#wire.charCodeAt(this.#at), DIGIT)
  }

  /** @returns its bytes */
  astring(name = 'a string'): string {
    return this.#isStringNext() ? this.string(name) : this.#run(ASTRING, name)
  }

  /** list-mailbox: wildcards need no quotes. @returns its bytes */
  listMailbox(): string {
    return this.#isStringNext() ? this.string() : this.#run(LIST, 'a pattern')
  }

  nstring(): string | undefined {
    if (this.#isStringNext()) return this.string()
    if (this.keyword('a string or NIL') !== 'NIL') this.fail('a string or NIL is missing')
    return undefined
  }

  /** Quoted or literal. @returns its bytes */
  string(name = 'a string'): string {
    const code = this.#wire.charCodeAt(this.#at)
    if (code === QUOTE) return this.#quoted()
    const size = this.literalSize()
    if (size === undefined) this.fail(`${name} is missing`)
    const literal = this.#wire.slice(this.#at, this.#at + size.bytes)
    if (literal.length < size.bytes) this.fail('a literal is incomplete')
    // RFC 9051 §9: CHAR8 has no NUL
    if (!size.isBinary && literal.includes('\0')) this.fail('a literal contains NUL')
    this.#at += size.bytes
    return literal
  }

  /** Reads `{n}`, `{n+}` or `~{n}` and its line end (RFC 7888 §8). @returns undefined if there is none here */
  literalSize(): LiteralSize | undefined {
    const isBinary = this.isNext('~{')
    if (!isBinary && !this.isNext('{')) return undefined
    this.#at += isBinary ? 2 : 1
    const bytes = this.number('the size of a literal')
    this.skip('+')
    this.expect('}')
    this.skip('\r')
    this.expect('\n')
    return { bytes, isBinary }
  }

  /** Calls `read` for each member of "(" member *(SP member) ")". */
  list(membersMax: number, read: () => void): void {
    this.expect('(')
    if (this.skip(')')) return
    for (let count = 1; ; count++) {
      if (count > membersMax) this.fail('a list is too long')
      read()
      if (this.skip(')')) return
      this.space()
    }
  }

  /** Reads text up to a character that is none of `allowed`; for sequence sets. */
  run(allowed: (code: number) => boolean): string {
    const start = this.#at
    while (allowed(this.#wire.charCodeAt(this.#at))) this.#at += 1
    return this.#wire.slice(start, this.#at)
  }

  /** @throws always */
  fail(text: string): never {
    throw new ImapSyntaxError(text)
  }

  /** RFC 9051 §9: an atom is ASCII. Clients send other text bare. @throws always */
  #missing(name: string): never {
    const isAscii = !(this.#wire.charCodeAt(this.#at) >= 0x80) // NaN at the end
    this.fail(isAscii ? `${name} is missing` : 'text outside ASCII must be a quoted string or a literal')
  }

  #isStringNext(): boolean {
    const code = this.#wire.charCodeAt(this.#at)
    return code === QUOTE || this.isNext('{') || this.isNext('~{')
  }

  #run(wanted: number, name: string): string {
    const start = this.#at
    let end = start
    while (isIn(this.#wire.charCodeAt(end), wanted)) end += 1
    if (end === start) this.#missing(name)
    this.#at = end
    return this.#wire.slice(start, end)
  }

  #digits(name: string): string {
    const digits = this.#run(DIGIT, name)
    if (digits.length > 19) this.fail(`${name} is too large`)
    return digits
  }

  /** RFC 9051 §9, quoted: only the quote and the backslash are escaped. */
  #quoted(): string {
    let text = ''
    let start = this.#at + 1
    for (let i = start; ; i++) {
      const code = this.#wire.charCodeAt(i)
      if (code === QUOTE) {
        this.#at = i + 1
        return text + this.#wire.slice(start, i)
      }
      if (code === BACKSLASH) {
        const escaped = this.#wire.charCodeAt(i + 1)
        if (escaped !== QUOTE && escaped !== BACKSLASH) this.fail('a quoted string has a wrong escape')
        text += this.#wire.slice(start, i)
        start = i + 1
        i += 1
      } else if (!(code > 0 && code !== 0x0d && code !== 0x0a)) {
        this.fail('a quoted string has no end')
      }
    }
  }
}

export interface LiteralSize {
  readonly bytes: number
  readonly isBinary: boolean
}
