/**
 * APPEND up to its message (RFC 9051 §6.3.12, RFC 6855 §4). The message is a literal that is streamed, so it is parsed when its
 * size is announced, and not when the command is complete.
 */
import { type GrammarContext, readFlagList, readMailbox, TAG_BYTES_MAX } from './grammar-context.ts'
import type { AppendStart } from './imap-command.ts'
import { parseDateTime } from './imap-date.ts'
import { TokenReader } from './imap-token-reader.ts'

/** Whether a command could be APPEND. */
export function isAppend(wire: string): boolean {
  return /^[^ ]+ append /i.test(wire.slice(0, TAG_BYTES_MAX + 10))
}

/**
 * @param wire of a command that `isAppend`, up to the announcement of a literal and its line end
 * @returns undefined if this literal is not the message but the name of the mailbox
 * @throws ImapSyntaxError
 */
export function parseAppendStart(wire: string, context: GrammarContext): AppendStart | undefined {
  const reader: TokenReader = new TokenReader(wire)
  const tag = reader.tag()
  if (tag.length > TAG_BYTES_MAX) reader.fail('the tag is too long')
  reader.space()
  reader.keyword()
  reader.space()
  if (isLastLiteral(wire, reader)) return undefined
  const mailbox = readMailbox(reader, context)
  reader.space()
  let flags: string[] = []
  if (reader.isNext('(')) {
    flags = readFlagList(reader, context)
    reader.space()
  }
  let internalDate: number | undefined
  if (reader.isNext('"')) {
    internalDate = parseDateTime(reader.string())
    reader.space()
  }
  const isUtf8 = reader.peekWord() === 'UTF8'
  if (isUtf8) {
    reader.keyword()
    reader.expect(' (')
    if (!context.isUtf8) reader.fail('UTF8 needs ENABLE UTF8=ACCEPT')
  }
  const size = reader.literalSize()
  if (!size) reader.fail('a message literal is missing')
  if (isUtf8 && !size.isBinary) reader.fail('UTF8 needs a literal8')
  if (!reader.isAtEnd()) reader.fail('unexpected text after the message literal')
  return { tag, mailbox, flags, internalDate, sizeBytes: size.bytes, isUtf8 }
}

/** Whether the text that follows is nothing but the announcement: the mailbox is a literal that has not been sent yet. */
function isLastLiteral(wire: string, reader: TokenReader): boolean {
  if (!reader.isNext('{') && !reader.isNext('~{')) return false
  return wire.indexOf('\n') === wire.length - 1
}
