/** What the parsers need beside the bytes, and the tokens that several commands share. */
import type { Limits } from '../../../config/limits.ts'
import { isIn, TAG } from './imap-syntax.ts'
import type { TokenReader } from './imap-token-reader.ts'
import { decodeMailboxName } from './mailbox-name-encoding.ts'

export interface GrammarContext {
  /** UTF8=ACCEPT or IMAP4rev2 is enabled: names are UTF-8. */
  readonly isUtf8: boolean
  readonly limits: Pick<Limits, 'imap'>
}

/** @returns the decoded name */
export function readMailbox(reader: TokenReader, context: GrammarContext): string {
  return decodeName(reader, reader.astring('a mailbox name'), context)
}

/** @param wire the name, or a pattern of LIST */
export function decodeName(reader: TokenReader, wire: string, { isUtf8, limits }: GrammarContext): string {
  if (wire.length > limits.imap.nameBytesMax) reader.fail('a mailbox name is too long')
  const name = decodeMailboxName(wire, isUtf8)
  return name ?? reader.fail(`a mailbox name is not ${isUtf8 ? 'UTF-8' : 'in modified UTF-7'}`)
}

/** RFC 9051 §9, flag: "\" atom, or an atom. \Recent, which only the server sets (RFC 3501 §2.3.2), is left out. */
export function readFlag(reader: TokenReader, into: string[]): void {
  const isSystem = reader.skip('\\')
  const atom = reader.atom('a flag')
  const flag = isSystem ? systemFlag(atom) : atom
  if (flag !== '\\Recent') into.push(flag)
}

const SYSTEM_FLAGS = ['\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen', '\\Recent']

/** In the spelling of the RFC; case has no meaning. */
function systemFlag(atom: string): string {
  const wanted = `\\${atom}`.toLowerCase()
  return SYSTEM_FLAGS.find((flag) => flag.toLowerCase() === wanted) ?? `\\${atom}`
}

export function readFlagList(reader: TokenReader, { limits }: GrammarContext): string[] {
  const flags: string[] = []
  reader.list(limits.imap.listMembersMax, () => readFlag(reader, flags))
  return flags
}

/** Finds the tag of a command that cannot be read, so that the answer can name it. */
export function tagOf(wire: string): string | undefined {
  const end = wire.indexOf(' ')
  const tag = end === -1 ? wire : wire.slice(0, end)
  for (let i = 0; i < tag.length; i++) if (!isIn(tag.charCodeAt(i), TAG)) return undefined
  return tag === '' || tag.length > TAG_BYTES_MAX ? undefined : tag
}

export const TAG_BYTES_MAX = 256
