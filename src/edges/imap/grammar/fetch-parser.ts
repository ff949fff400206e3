/** FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5): macros, items, sections, partials and modifiers. */
import type { GrammarContext } from './grammar-context.ts'
import type { BinaryItem, BodyItem, FetchCommand, FetchItem, FetchItemName, Partial } from './imap-command.ts'
import type { TokenReader } from './imap-token-reader.ts'
import { readMessageSet } from './message-set.ts'
import { formatAstring } from './response-strings.ts'

/** RFC 9051 §6.4.5: only alone, not in a list. */
const MACROS: Readonly<Record<string, readonly FetchItemName[]>> = {
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'],
}

const NAMES: ReadonlySet<string> = new Set<FetchItemName>([
  ...(['FLAGS', 'UID', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY', 'BODYSTRUCTURE', 'MODSEQ'] as const),
  ...(['PREVIEW', 'SAVEDATE', 'EMAILID', 'THREADID'] as const),
])

export function parseFetch(isUid: boolean, reader: TokenReader, { limits }: GrammarContext): FetchCommand {
  reader.space()
  const set = readMessageSet(reader, limits.imap.setRangesMax)
  reader.space()
  const items = readItems(reader, limits.imap.listMembersMax)
  let changedSince: bigint | undefined
  let vanished = false
  if (reader.skip(' ')) {
    reader.list(2, () => {
      const modifier = reader.keyword('a modifier')
      if (modifier === 'VANISHED') {
        vanished = true
      } else if (modifier === 'CHANGEDSINCE') {
        reader.space()
        changedSince = reader.modseq()
      } else {
        reader.fail('unknown modifier')
      }
    })
  }
  // RFC 7162 §3.2.6
  if (vanished && (!isUid || changedSince === undefined)) reader.fail('VANISHED needs UID FETCH with CHANGEDSINCE')
  return { name: 'FETCH', isUid, set, items, changedSince, vanished }
}

function readItems(reader: TokenReader, itemsMax: number): FetchItem[] {
  const macro = MACROS[reader.peekWord()]
  if (macro) {
    reader.keyword()
    return macro.map((item) => ({ item }))
  }
  if (!reader.isNext('(')) return [readItem(reader, itemsMax)]
  const items: FetchItem[] = []
  reader.list(itemsMax, () => items.push(readItem(reader, itemsMax)))
  if (items.length === 0) reader.fail('no item is given')
  return items
}

function readItem(reader: TokenReader, itemsMax: number): FetchItem {
  // "[" is an atom character, so the name ends there
  const name = readName(reader)
  if (reader.skip('[')) {
    if (name === 'BODY' || name === 'BODY.PEEK') return readSection(reader, name === 'BODY.PEEK', itemsMax)
    if (name === 'BINARY' || name === 'BINARY.PEEK') return readBinary(reader, name === 'BINARY.PEEK')
    if (name === 'BINARY.SIZE') return readBinarySize(reader)
    return reader.fail('only BODY and BINARY have a section')
  }
  switch (name) {
    case 'RFC822':
      return rfc822(name, 'whole', false)
    case 'RFC822.HEADER':
      return rfc822(name, 'header', true)
    case 'RFC822.TEXT':
      return rfc822(name, 'text', false)
    case 'PREVIEW':
      readPreviewModifiers(reader)
      return { item: 'PREVIEW' }
  }
  return NAMES.has(name) ? { item: name as FetchItemName } : reader.fail('unknown item')
}

/** RFC 3501 §6.4.5: RFC822 and RFC822.TEXT set \Seen, RFC822.HEADER does not. */
function rfc822(label: string, of: BodyItem['section']['of'], isPeek: boolean): BodyItem {
  return { item: 'section', section: { path: [], of }, fields: undefined, isPeek, partial: undefined, label }
}

/** RFC 8970 §3.2: LAZY changes nothing, since previews are stored with the message. */
function readPreviewModifiers(reader: TokenReader): void {
  if (!reader.skip(' (')) return
  if (reader.keyword('LAZY') !== 'LAZY') reader.fail('unknown modifier of PREVIEW')
  reader.expect(')')
}

function readName(reader: TokenReader): string {
  return reader.run(isNameCharacter).toUpperCase()
}

/** Letters, digits, "." and "-". */
function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x2e ||
    code === 0x2d
  )
}

/** Deeper parts than this do not exist (formats/imap limits its depth). */
const PATH_LENGTH_MAX = 100

function readSection(reader: TokenReader, isPeek: boolean, namesMax: number): BodyItem {
  const path = readPath(reader)
  const text = readName(reader)
  let of: BodyItem['section']['of'] = 'whole'
  let fields: BodyItem['fields']
  let label = text
  switch (text) {
    case '':
      break
    case 'HEADER':
    case 'TEXT':
      of = text === 'HEADER' ? 'header' : 'text'
      break
    case 'MIME':
      if (path.length === 0) reader.fail('MIME needs a part number')
      of = 'mime'
      break
    case 'HEADER.FIELDS':
    case 'HEADER.FIELDS.NOT':
      of = 'header'
      fields = { names: readFieldNames(reader, namesMax), isNot: text === 'HEADER.FIELDS.NOT' }
      label += ` (${fields.names.map((name) => formatAstring(name)).join(' ')})`
      break
    default:
      reader.fail('unknown section')
  }
  reader.expect(']')
  const partial = readPartial(reader)
  const spec = [...path, ...(label === '' ? [] : [label])].join('.')
  return { item: 'section', section: { path, of }, fields, isPeek, partial, label: `BODY[${spec}]${origin(partial)}` }
}

/** Numbers and the dot after each, if something follows. */
function readPath(reader: TokenReader): number[] {
  const path: number[] = []
  while (reader.isDigitNext()) {
    if (path.length === PATH_LENGTH_MAX) reader.fail('a part number is too long')
    path.push(reader.positive('a part number'))
    if (!reader.skip('.')) break
    if (reader.isNext(']')) reader.fail('a part number ends with a dot')
  }
  return path
}

function readFieldNames(reader: TokenReader, namesMax: number): string[] {
  reader.space()
  const names: string[] = []
  reader.list(namesMax, () => names.push(reader.astring('a field name')))
  if (names.length === 0) reader.fail('no field name is given')
  return names
}

function readBinary(reader: TokenReader, isPeek: boolean): BinaryItem {
  const path = readPath(reader)
  reader.expect(']')
  const partial = readPartial(reader)
  return { item: 'binary', path, isPeek, partial, label: `BINARY[${path.join('.')}]${origin(partial)}` }
}

function readBinarySize(reader: TokenReader): BinaryItem {
  const path = readPath(reader)
  reader.expect(']')
  return { item: 'binary size', path, isPeek: true, partial: undefined, label: `BINARY.SIZE[${path.join('.')}]` }
}

/** RFC 9051 §6.4.5: <start.count>; the response has only the start. */
function readPartial(reader: TokenReader): Partial | undefined {
  if (!reader.skip('<')) return undefined
  const start = reader.number('the start of a partial')
  reader.expect('.')
  const count = reader.number('the size of a partial')
  if (count === 0) reader.fail('the size of a partial must not be 0')
  reader.expect('>')
  return { start, count }
}

function origin(partial: Partial | undefined): string {
  return partial ? `<${partial.start}>` : ''
}
