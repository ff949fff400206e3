/** LIST with its extensions (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154), LSUB (RFC 3501 §6.3.9) and STATUS. */
import { decodeName, type GrammarContext, readMailbox } from './grammar-context.ts'
import type { ListCommand, StatusCommand, StatusItem } from './imap-command.ts'
import type { TokenReader } from './imap-token-reader.ts'

const SELECTIONS = new Set(['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'])
const RETURNS = new Set(['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE'])
const STATUS_ITEMS: ReadonlySet<string> = new Set<StatusItem>([
  ...(['MESSAGES', 'RECENT', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'DELETED', 'DELETED-STORAGE', 'SIZE'] as const),
  ...(['HIGHESTMODSEQ', 'MAILBOXID'] as const),
])

export function parseList(reader: TokenReader, context: GrammarContext): ListCommand {
  const { listMembersMax, patternsMax } = context.limits.imap
  reader.space()
  const selection = new Set<string>()
  const isSelective = reader.isNext('(')
  if (isSelective) {
    reader.list(listMembersMax, () => selection.add(readOption(reader, SELECTIONS)))
    reader.space()
    // RFC 5258 §3.1: it says nothing without another option
    if (selection.has('RECURSIVEMATCH') && !selection.has('SUBSCRIBED') && !selection.has('SPECIAL-USE')) {
      reader.fail('RECURSIVEMATCH needs another selection option')
    }
  }
  const reference = readMailbox(reader, context)
  reader.space()
  const patterns: string[] = []
  const hasList = reader.isNext('(')
  if (hasList) reader.list(patternsMax, () => patterns.push(readPattern(reader, context)))
  else patterns.push(readPattern(reader, context))
  if (patterns.length === 0) reader.fail('no pattern is given')
  const returns = new Set<string>()
  let status: StatusItem[] | undefined
  const hasReturn = reader.skip(' ')
  if (hasReturn) {
    if (reader.keyword('RETURN') !== 'RETURN') reader.fail('RETURN is missing')
    reader.space()
    reader.list(listMembersMax, () => {
      if (reader.peekWord() === 'STATUS') {
        reader.keyword()
        reader.space()
        status = readStatusItems(reader, context)
      } else {
        returns.add(readOption(reader, RETURNS))
      }
    })
  }
  return {
    ...{ name: 'LIST', reference, patterns, selection, returns, status },
    isExtended: isSelective || hasList || hasReturn,
  }
}

export function parseLsub(reader: TokenReader, context: GrammarContext): ListCommand {
  reader.space()
  const reference = readMailbox(reader, context)
  reader.space()
  const patterns = [readPattern(reader, context)]
  const none = new Set<string>()
  return { name: 'LSUB', reference, patterns, selection: none, returns: none, status: undefined, isExtended: false }
}

export function parseStatus(reader: TokenReader, context: GrammarContext): StatusCommand {
  reader.space()
  const mailbox = readMailbox(reader, context)
  reader.space()
  return { name: 'STATUS', mailbox, items: readStatusItems(reader, context) }
}

function readStatusItems(reader: TokenReader, { limits }: GrammarContext): StatusItem[] {
  const items: StatusItem[] = []
  reader.list(limits.imap.listMembersMax, () => {
    const item = reader.keyword('a status item')
    if (!STATUS_ITEMS.has(item)) reader.fail('unknown status item')
    if (!items.includes(item as StatusItem)) items.push(item as StatusItem)
  })
  if (items.length === 0) reader.fail('no status item is given')
  return items
}

function readOption(reader: TokenReader, known: ReadonlySet<string>): string {
  const option = reader.keyword('an option')
  return known.has(option) ? option : reader.fail('unknown option of LIST') // RFC 5258 §3: BAD
}

function readPattern(reader: TokenReader, context: GrammarContext): string {
  return decodeName(reader, reader.listMailbox(), context)
}
