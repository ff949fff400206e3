/**
 * Parses one command (RFC 9051 §6, §9) from its bytes, literals included. Pure: what may run in which state, and what it needs,
 * is decided in ../session/. The message of APPEND does not pass through here (append-parser.ts).
 */
import { parseFetch } from './fetch-parser.ts'
import { type GrammarContext, readFlag, readFlagList, readMailbox, TAG_BYTES_MAX } from './grammar-context.ts'
import type { ImapCommand, PlainCommandName, SelectCommand, StoreCommand } from './imap-command.ts'
import { decodeUtf8 } from './imap-syntax.ts'
import { TokenReader } from './imap-token-reader.ts'
import { parseList, parseLsub, parseStatus } from './list-parser.ts'
import { readKnownSet, readMessageSet } from './message-set.ts'
import { parseSearch } from './search-parser.ts'

type Parse = (reader: TokenReader, context: GrammarContext) => ImapCommand

const plain = (name: PlainCommandName): [string, Parse] => [name, () => ({ name })]

const commands = new Map<string, Parse>([
  ...(['CAPABILITY', 'CHECK', 'CLOSE', 'IDLE', 'LOGOUT', 'NAMESPACE', 'NOOP', 'STARTTLS', 'UNSELECT'] as const).map(
    plain,
  ),
  ['AUTHENTICATE', parseAuthenticate],
  ['COPY', (reader, context) => parseCopy('COPY', false, reader, context)],
  ['CREATE', parseCreate],
  ['DELETE', (reader, context) => ({ name: 'DELETE', mailbox: mailboxOf(reader, context) })],
  ['ENABLE', parseEnable],
  ['EXAMINE', (reader, context) => parseSelect('EXAMINE', reader, context)],
  ['EXPUNGE', () => ({ name: 'EXPUNGE', uids: undefined })],
  ['FETCH', (reader, context) => parseFetch(false, reader, context)],
  ['GETQUOTA', parseGetQuota],
  ['GETQUOTAROOT', (reader, context) => ({ name: 'GETQUOTAROOT', mailbox: mailboxOf(reader, context) })],
  ['ID', parseId],
  ['LIST', parseList],
  ['LOGIN', parseLogin],
  ['LSUB', parseLsub],
  ['MOVE', (reader, context) => parseCopy('MOVE', false, reader, context)],
  ['RENAME', parseRename],
  ['SEARCH', (reader, context) => parseSearch(false, reader, context)],
  ['SELECT', (reader, context) => parseSelect('SELECT', reader, context)],
  ['STATUS', parseStatus],
  ['STORE', (reader, context) => parseStore(false, reader, context)],
  ['SUBSCRIBE', (reader, context) => ({ name: 'SUBSCRIBE', mailbox: mailboxOf(reader, context) })],
  ['UID', parseUid],
  ['UNSUBSCRIBE', (reader, context) => ({ name: 'UNSUBSCRIBE', mailbox: mailboxOf(reader, context) })],
])

const uidCommands = new Map<string, Parse>([
  ['COPY', (reader, context) => parseCopy('COPY', true, reader, context)],
  ['EXPUNGE', parseUidExpunge],
  ['FETCH', (reader, context) => parseFetch(true, reader, context)],
  ['MOVE', (reader, context) => parseCopy('MOVE', true, reader, context)],
  ['SEARCH', (reader, context) => parseSearch(true, reader, context)],
  ['STORE', (reader, context) => parseStore(true, reader, context)],
])

export interface TaggedCommand {
  readonly tag: string
  readonly command: ImapCommand
}

/**
 * @param wire one character per byte, without the line end
 * @throws ImapSyntaxError; grammar-context.ts finds the tag for the answer
 */
export function parseCommand(wire: string, context: GrammarContext): TaggedCommand {
  const reader: TokenReader = new TokenReader(wire)
  const tag = reader.tag()
  if (tag.length > TAG_BYTES_MAX) reader.fail('the tag is too long')
  reader.space()
  const name = reader.keyword('a command')
  const parse = commands.get(name)
  if (!parse) reader.fail(name === 'APPEND' ? 'APPEND needs a message literal' : 'unknown command')
  const command = parse(reader, context)
  reader.end()
  return { tag, command }
}

function parseUid(reader: TokenReader, context: GrammarContext): ImapCommand {
  reader.space()
  const parse = uidCommands.get(reader.keyword('a command after UID'))
  return parse ? parse(reader, context) : reader.fail('unknown command after UID')
}

function mailboxOf(reader: TokenReader, context: GrammarContext): string {
  reader.space()
  return readMailbox(reader, context)
}

function parseLogin(reader: TokenReader): ImapCommand {
  reader.space()
  const user = textOf(reader, reader.astring('the user'))
  reader.space()
  return { name: 'LOGIN', user, password: textOf(reader, reader.astring('the password')) }
}

function textOf(reader: TokenReader, wire: string): string {
  return decodeUtf8(wire) ?? reader.fail('a string is not UTF-8')
}

/** RFC 4959 §3: the initial response is not a string, so that it may be long; base64 characters are those of atoms. */
function parseAuthenticate(reader: TokenReader): ImapCommand {
  reader.space()
  const mechanism = reader.keyword('the mechanism')
  return {
    name: 'AUTHENTICATE',
    mechanism,
    initial: reader.skip(' ') ? reader.atom('the initial response') : undefined,
  }
}

function parseEnable(reader: TokenReader, { limits }: GrammarContext): ImapCommand {
  const capabilities: string[] = []
  do {
    if (capabilities.length === limits.imap.listMembersMax) reader.fail('too many capabilities')
    reader.space()
    capabilities.push(reader.keyword('a capability'))
  } while (!reader.isAtEnd())
  return { name: 'ENABLE', capabilities }
}

/** RFC 2971 §3.3: at most 30 pairs; names of at most 30 bytes, values of 1,024. */
function parseId(reader: TokenReader): ImapCommand {
  reader.space()
  const fields: [string, string | undefined][] = []
  if (!reader.isNext('(')) {
    if (reader.keyword('"(" or NIL') !== 'NIL') reader.fail('a list or NIL is missing')
    return { name: 'ID', fields }
  }
  reader.list(30, () => {
    const name = reader.string('a field name')
    reader.space()
    const value = reader.nstring()
    if (name.length > 30 || (value?.length ?? 0) > 1024) reader.fail('a field is too long')
    fields.push([name, value])
  })
  return { name: 'ID', fields }
}

/** RFC 6154 §3: CREATE with USE is refused by ../commands/, since CREATE-SPECIAL-USE is not offered. */
function parseCreate(reader: TokenReader, context: GrammarContext): ImapCommand {
  const mailbox = mailboxOf(reader, context)
  // RFC 9051 §6.3.4: a delimiter at the end says that names will be created below; it is no part of the name
  return { name: 'CREATE', mailbox: mailbox.length > 1 && mailbox.endsWith('/') ? mailbox.slice(0, -1) : mailbox }
}

function parseRename(reader: TokenReader, context: GrammarContext): ImapCommand {
  const from = mailboxOf(reader, context)
  return { name: 'RENAME', from, to: mailboxOf(reader, context) }
}

function parseSelect(name: SelectCommand['name'], reader: TokenReader, context: GrammarContext): SelectCommand {
  const mailbox = mailboxOf(reader, context)
  let isCondstore = false
  let qresync: SelectCommand['qresync']
  if (reader.skip(' ')) {
    reader.list(context.limits.imap.listMembersMax, () => {
      const parameter = reader.keyword('a parameter')
      if (parameter === 'CONDSTORE') isCondstore = true
      else if (parameter === 'QRESYNC') qresync = readQresync(reader, context)
      else reader.fail('unknown parameter')
    })
  }
  return { name, mailbox, isCondstore, qresync }
}

/** RFC 7162 §7: (uidvalidity SP mod-sequence [SP known-uids] [SP (known-sequence-set SP known-uid-set)]). */
function readQresync(reader: TokenReader, { limits }: GrammarContext): NonNullable<SelectCommand['qresync']> {
  const rangesMax = limits.imap.setRangesMax
  reader.space()
  reader.expect('(')
  const uidValidity = reader.positive('UIDVALIDITY')
  reader.space()
  const modseq = reader.modseq()
  let known: NonNullable<SelectCommand['qresync']>['known']
  let match: NonNullable<SelectCommand['qresync']>['match']
  if (reader.isNext(' ') && !reader.isNext(' (')) {
    reader.space()
    known = readKnownSet(reader, rangesMax)
  }
  if (reader.skip(' (')) {
    const numbers = readKnownSet(reader, rangesMax)
    reader.space()
    match = { numbers, uids: readKnownSet(reader, rangesMax) }
    reader.expect(')')
  }
  reader.expect(')')
  return { uidValidity, modseq, known, match }
}

function parseGetQuota(reader: TokenReader): ImapCommand {
  reader.space()
  return { name: 'GETQUOTA', root: textOf(reader, reader.astring('a quota root')) }
}

function parseUidExpunge(reader: TokenReader, { limits }: GrammarContext): ImapCommand {
  reader.space()
  return { name: 'EXPUNGE', uids: readMessageSet(reader, limits.imap.setRangesMax) }
}

function parseCopy(name: 'COPY' | 'MOVE', isUid: boolean, reader: TokenReader, context: GrammarContext): ImapCommand {
  reader.space()
  const set = readMessageSet(reader, context.limits.imap.setRangesMax)
  return { name, isUid, set, mailbox: mailboxOf(reader, context) }
}

function parseStore(isUid: boolean, reader: TokenReader, context: GrammarContext): StoreCommand {
  reader.space()
  const set = readMessageSet(reader, context.limits.imap.setRangesMax)
  reader.space()
  let unchangedSince: bigint | undefined
  if (reader.isNext('(')) {
    reader.list(1, () => {
      if (reader.keyword('a modifier') !== 'UNCHANGEDSINCE') reader.fail('unknown modifier')
      reader.space()
      unchangedSince = reader.modseq()
    })
    reader.space()
  }
  const how = reader.skip('+') ? 'add' : reader.skip('-') ? 'remove' : 'replace'
  const item = reader.keyword('FLAGS')
  if (item !== 'FLAGS' && item !== 'FLAGS.SILENT') reader.fail('FLAGS is missing')
  reader.space()
  const flags = reader.isNext('(') ? readFlagList(reader, context) : readBareFlags(reader, context)
  return { name: 'STORE', isUid, set, how, isSilent: item === 'FLAGS.SILENT', flags, unchangedSince }
}

/** RFC 9051 §9, store-att-flags: flag *(SP flag), without parentheses. */
function readBareFlags(reader: TokenReader, { limits }: GrammarContext): string[] {
  const flags: string[] = []
  let count = 0
  do {
    if (++count > limits.imap.listMembersMax) reader.fail('too many flags')
    readFlag(reader, flags)
  } while (reader.skip(' '))
  return flags
}
