/**
 * SEARCH and UID SEARCH (RFC 9051 §6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032), MODSEQ (RFC 7162 §3.1.5),
 * OBJECTID (RFC 8474 §6) and SAVEDATE (RFC 8514 §4.3).
 */

import type { DateKind, SearchKey, TextTarget } from '../../../formats/imap/search-keys.ts'
import { decodeCharset, isKnownCharset } from '../../../formats/mime/charset.ts'
import type { GrammarContext } from './grammar-context.ts'
import type { SearchCommand, SearchReturn } from './imap-command.ts'
import { parseDay } from './imap-date.ts'
import type { TokenReader } from './imap-token-reader.ts'
import { readRanges } from './message-set.ts'

const RETURNS = new Set<string>(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE'] satisfies SearchReturn[])

export function parseSearch(isUid: boolean, reader: TokenReader, context: GrammarContext): SearchCommand {
  reader.space()
  let returns: Set<SearchReturn> | undefined
  if (reader.peekWord() === 'RETURN') {
    reader.keyword()
    reader.space()
    const options = new Set<SearchReturn>()
    reader.list(RETURNS.size, () => {
      const option = reader.keyword('a return option')
      if (!RETURNS.has(option)) reader.fail('unknown return option')
      options.add(option as SearchReturn)
    })
    if (options.size === 0) options.add('ALL') // RFC 4731 §3.1
    returns = options
    reader.space()
  }
  let isCharsetKnown = true
  let charset = 'utf-8' // also without CHARSET: US-ASCII is a part of it (RFC 9051 §6.4.4)
  if (reader.peekWord() === 'CHARSET') {
    reader.keyword()
    reader.space()
    charset = reader.astring('a charset')
    // Also after ENABLE UTF8=ACCEPT, where RFC 6855 §3 forbids it: clients name UTF-8 out of habit.
    isCharsetKnown = isKnownCharset(charset)
    reader.space()
  }
  const keys = new KeyReader(reader, context, isCharsetKnown ? charset : 'us-ascii')
  return { name: 'SEARCH', isUid, key: keys.readAll(), returns, hasModseq: keys.hasModseq, isCharsetKnown }
}

const FLAGS: Readonly<Record<string, { readonly flag: string; readonly isSet: boolean }>> = {
  ANSWERED: { flag: '\\Answered', isSet: true },
  DELETED: { flag: '\\Deleted', isSet: true },
  DRAFT: { flag: '\\Draft', isSet: true },
  FLAGGED: { flag: '\\Flagged', isSet: true },
  SEEN: { flag: '\\Seen', isSet: true },
  RECENT: { flag: '\\Recent', isSet: true },
  UNANSWERED: { flag: '\\Answered', isSet: false },
  UNDELETED: { flag: '\\Deleted', isSet: false },
  UNDRAFT: { flag: '\\Draft', isSet: false },
  UNFLAGGED: { flag: '\\Flagged', isSet: false },
  UNSEEN: { flag: '\\Seen', isSet: false },
  OLD: { flag: '\\Recent', isSet: false },
}

const TEXTS = new Set<string>(['FROM', 'TO', 'CC', 'BCC', 'SUBJECT', 'BODY', 'TEXT'])

/** [which date] + BEFORE | ON | SINCE. */
const DATE = /^(SENT|SAVED)?(BEFORE|ON|SINCE)$/
const DATE_KINDS: Readonly<Record<string, DateKind>> = { SENT: 'sent', SAVED: 'saved' }

class KeyReader {
  hasModseq = false
  readonly #reader: TokenReader
  readonly #limits: GrammarContext['limits']
  readonly #charset: string
  #count = 0

  constructor(reader: TokenReader, { limits }: GrammarContext, charset: string) {
    this.#reader = reader
    this.#limits = limits
    this.#charset = charset
  }

  readAll(): SearchKey {
    return this.#readKeys(0, () => this.#reader.isAtEnd())
  }

  /** One or more keys, all of which must match. */
  #readKeys(depth: number, isEnd: () => boolean): SearchKey {
    const keys = [this.#readKey(depth)]
    while (!isEnd()) {
      this.#reader.space()
      keys.push(this.#readKey(depth))
    }
    return keys.length === 1 ? keys[0]! : { key: 'and', keys }
  }

  #readKey(depth: number): SearchKey {
    const reader = this.#reader
    const { searchDepthMax, searchKeysMax, setRangesMax } = this.#limits.imap
    if (depth > searchDepthMax) reader.fail('the search keys are nested too deep')
    if (++this.#count > searchKeysMax) reader.fail('there are too many search keys')
    if (reader.skip('(')) {
      const key = this.#readKeys(depth + 1, () => reader.isNext(')'))
      reader.expect(')')
      return key
    }
    if (reader.skip('$')) return { key: 'saved result' }
    if (reader.isDigitNext() || reader.isNext('*')) return { key: 'sequence', set: readRanges(reader, setRangesMax) }
    const name = reader.keyword('a search key')
    const flag = FLAGS[name]
    if (flag) return { key: 'flag', ...flag }
    if (TEXTS.has(name)) return { key: 'text', in: name.toLowerCase() as TextTarget, value: this.#readText() }
    const [, kind = '', is] = DATE.exec(name) ?? []
    if (is !== undefined) return this.#readDate(DATE_KINDS[kind] ?? 'internal', is)
    return this.#readOther(name, depth)
  }

  #readOther(name: string, depth: number): SearchKey {
    const reader = this.#reader
    switch (name) {
      case 'ALL':
      case 'SAVEDATESUPPORTED': // RFC 8514 §4.3: true for every message of a mailbox that has save dates
        return { key: 'all' }
      case 'NEW': // RFC 3501 §6.4.4: RECENT UNSEEN
        return { key: 'flag', flag: '\\Recent', isSet: true }
      case 'KEYWORD':
      case 'UNKEYWORD':
        reader.space()
        return { key: 'flag', flag: reader.atom('a keyword'), isSet: name === 'KEYWORD' }
      case 'HEADER': {
        reader.space()
        const field = reader.astring('a field name')
        return { key: 'header', name: field, value: this.#readText() }
      }
      case 'NOT':
        reader.space()
        return { key: 'not', of: this.#readKey(depth + 1) }
      case 'OR': {
        reader.space()
        const one = this.#readKey(depth + 1)
        reader.space()
        return { key: 'or', keys: [one, this.#readKey(depth + 1)] }
      }
      case 'LARGER':
      case 'SMALLER':
        reader.space()
        return { key: 'size', is: name === 'LARGER' ? 'larger' : 'smaller', bytes: reader.number('a size') }
      case 'OLDER':
      case 'YOUNGER':
        reader.space()
        return { key: 'within', is: name === 'OLDER' ? 'older' : 'younger', seconds: reader.positive('an interval') }
      case 'UID':
        reader.space()
        if (reader.skip('$')) return { key: 'saved result' }
        return { key: 'uid', set: readRanges(reader, this.#limits.imap.setRangesMax) }
      case 'EMAILID':
      case 'THREADID':
        reader.space()
        return { key: name === 'EMAILID' ? 'emailid' : 'threadid', id: reader.astring('an id') }
      case 'MODSEQ':
        return this.#readModseq()
      default:
        return reader.fail('unknown search key')
    }
  }

  #readDate(of: DateKind, is: string): SearchKey {
    this.#reader.space()
    const day = parseDay(this.#reader.astring('a date'))
    return { key: 'date', of, is: is.toLowerCase() as 'before' | 'on' | 'since', day }
  }

  #readText(): string {
    this.#reader.space()
    return decodeCharset(Buffer.from(this.#reader.astring(), 'latin1'), this.#charset)
  }

  /** RFC 7162 §3.1.5: the entry and its kind may be given; all flags have one mod-sequence here. */
  #readModseq(): SearchKey {
    const reader = this.#reader
    this.hasModseq = true
    reader.space()
    if (!reader.isDigitNext()) {
      reader.string('an entry name')
      reader.space()
      const kind = reader.keyword('a kind of entry')
      if (!['PRIV', 'SHARED', 'ALL'].includes(kind)) reader.fail('unknown kind of entry')
      reader.space()
    }
    return { key: 'modseq', atLeast: reader.modseq() }
  }
}
