/**
 * The keys of SEARCH that compare texts (RFC 9051 §6.4.4): a substring without case, where white space of any kind and length is one space.
 *
 *   the text index finds most messages that match → whole messages, where the index has only a part of the text
 *
 * The index has the subject, the addresses, and the beginning of the text: of the text part, or of the HTML of a message without one. So
 * BODY reads a message only if it is long or has attachments. TEXT reads each that the index does not find, unless its signatures exclude
 * it: any header field of any part may have the text.
 */
import type { TextTarget } from '../../../formats/imap/search-keys.ts'
import { foldText } from '../../../formats/search/search-signature.ts'
import type { SearchedItemRow } from '../../../store/tables/mailbox-items-table.ts'
import type { Fields } from './search-contents.ts'
import { filter, type Positions } from './search-positions.ts'
import type { Compared, SearchReader } from './search-reader.ts'
import type { SourceQuery } from './search-sources.ts'

/** Texts that are longer are not looked up in the text index. */
const INDEXED_CHARS_MAX = 256

/** @returns a part of `among` @throws search_too_costly */
export function searchText(
  reader: SearchReader,
  target: TextTarget,
  { query: value, isNegated }: Compared<string>,
  among: Positions,
): Promise<Positions> {
  const text = foldText(value)
  switch (target) {
    case 'subject':
      // RFC 9051 §6.4.4: what ENVELOPE shows
      return text === '' || reader.mailbox.isDrafts
        ? searchHeader(reader, target, { query: value, isNegated }, among)
        : reader.byRow(among, ({ subject }) => includes(subject, text))
    case 'from':
    case 'to':
    case 'cc':
      return text === '' || reader.mailbox.isDrafts
        ? searchHeader(reader, target, { query: value, isNegated }, among)
        : reader.byAddress(target, among, (shown) => includes(shown, text))
    case 'bcc':
      return searchBcc(reader, { query: value, isNegated }, among)
    case 'body':
    case 'text':
      return searchMessage(reader, { query: { text, inHeader: target === 'text' }, isNegated }, among)
  }
}

/** Rows have the addresses to which a message was sent; what another program has written is only in the header. */
async function searchBcc(reader: SearchReader, compared: Compared<string>, among: Positions): Promise<Positions> {
  const text = foldText(compared.query)
  const found =
    text === '' || reader.mailbox.isDrafts
      ? reader.none()
      : await reader.byAddress('bcc', among, (shown) => includes(shown, text))
  const rest = filter(among, (index) => found[index] === 0)
  return withMore(found, await searchHeader(reader, 'bcc', compared, rest))
}

/** A substring of the text of a header field; '' finds all messages with this field. @throws search_too_costly */
export async function searchHeader(
  reader: SearchReader,
  fieldName: string,
  { query: value, isNegated }: Compared<string>,
  among: Positions,
): Promise<Positions> {
  const name = fieldName.toLowerCase()
  const text = foldText(value)
  // Of these fields, rows contain only the ids. Most clients search for a whole id; other texts are searched in the header.
  const column = reader.mailbox.isDrafts || !isId(text) ? undefined : ID_COLUMNS[name]
  if (column) return reader.byRow(among, (row) => includes(row[column], text))
  const matches = (headers: Fields) =>
    headers.some(([each, shown]) => each.toLowerCase() === name && includes(shown, text))
  return reader.byHeader(among, { query: matches, isNegated })
}

const ID_COLUMNS: Readonly<Record<string, 'header_message_id' | 'in_reply_to' | 'references_list'>> = {
  'message-id': 'header_message_id',
  'in-reply-to': 'in_reply_to',
  references: 'references_list',
}

/** "<id@domain>", or the start or the end of one, in lower case. Lists are stored as JSON, which escapes quotes. */
function isId(text: string): boolean {
  return /^<?[^\s"\\<>()[\],]+@[^\s"\\<>()[\],]+>?$/.test(text)
}

async function searchMessage(
  reader: SearchReader,
  compared: Compared<SourceQuery>,
  among: Positions,
): Promise<Positions> {
  const { text, inHeader } = compared.query
  if (text === '') return among.slice()
  const { isDrafts } = reader.mailbox
  const isIndexed = !isDrafts && text.length <= INDEXED_CHARS_MAX
  const columns = inHeader ? (['subject', 'addresses', 'body'] as const) : (['body'] as const)
  const anyOf = columns.map((column) => ({ columns: [column], allOf: [text] }))
  const found = isIndexed ? await reader.byIndex(anyOf, among) : reader.none()
  const { searchTextCharsMax } = reader.limits.parsing
  /** No text has more characters than the message has bytes. */
  const isCut = ({ size_bytes, has_attachments }: SearchedItemRow) =>
    size_bytes > searchTextCharsMax || has_attachments !== 0
  const isWanted = isIndexed && !inHeader ? isCut : () => true
  const rest = filter(among, (index) => found[index] === 0)
  return withMore(found, await reader.bySource(rest, compared, isWanted))
}

function withMore(found: Positions, more: Positions): Positions {
  for (let index = 0; index < found.length; index += 1) found[index]! |= more[index]!
  return found
}

/** @param text folded */
function includes(shown: string | null, text: string): boolean {
  return shown !== null && foldText(shown).includes(text)
}
