/**
 * Reads the header of a message that a mail program submits: who wrote it, what must not be sent on, and what is missing
 * (RFC 6409 §8, RFC 5322 §3.6). Pure.
 *
 * It is stricter than the parser of received mail: two programs must not see two authors in the same header. Its time is
 * linear in the size of the header.
 */
import { isUtf8 } from 'node:buffer'
import type { Address } from '../address/address.ts'
import { parseAddressList } from '../address/address-list.ts'
import { parseMessageIds } from '../ids.ts'
import { fieldsByName, fieldValue, type HeaderField, readHeaderBlock } from './header-fields.ts'

export interface SubmittedHeader {
  readonly fields: readonly HeaderField[]
  /** The only author (From). */
  readonly author: string
  /** The addresses in Sender, Resent-From and Resent-Sender: others who claim to have sent the message. */
  readonly senders: readonly string[]
  /** The addresses in To and Cc, as written. */
  readonly visibleRecipients: readonly Address[]
  /** Without them, fields of this name that say nothing are removed. */
  readonly hasDate: boolean
  readonly hasMessageId: boolean
  /** Bytes above 127 occur (RFC 6532). */
  readonly hasUtf8: boolean
  /** Values of X-AgentMail-Idempotency-Key. */
  readonly idempotencyKeys: readonly string[]
  /** The value of X-Martlet-Draft, and the Message-ID: a draft that is sent. */
  readonly draftId: string | undefined
  readonly messageId: string | undefined
  /** Undecoded. */
  readonly subject: string
  /** Parts of the header that must not be sent on, in order. */
  readonly removed: readonly { readonly start: number; readonly end: number }[]
}

const IDEMPOTENCY_KEY = 'x-agentmail-idempotency-key'
const DRAFT = 'x-martlet-draft'

/**
 * RFC 5322 §3.6.3: Bcc recipients must not see each other. RFC 5321 §4.4: Return-Path belongs to the last server. RFC 8601 §5, RFC 7208
 * §9.1: programs believe what these fields say about authentication, and our name could be in them.
 */
const REMOVED = new Set([
  'bcc',
  'resent-bcc',
  'return-path',
  'authentication-results',
  'received-spf',
  IDEMPOTENCY_KEY,
  DRAFT,
])

const RECIPIENTS_MAX = 10_000

/**
 * @param header from the first byte of the message to its blank line
 * @returns a sentence without full stop if it cannot be sent
 */
export function readSubmittedHeader(header: Buffer): SubmittedHeader | string {
  const { fields, end } = readHeaderBlock(header, 0, header.length)
  const isBlank = /^(?:\r?\n)?$/.test(header.toString('latin1', end, end + 3))
  if (!isBlank) return 'a line of its header is neither a field nor the continuation of one'

  const byName = fieldsByName(fields)
  const named = (name: string) => byName.get(name) ?? []
  const values = (...names: string[]) => names.flatMap(named).map((field) => fieldValue(header, field))

  const mailbox = (field: HeaderField) => singleMailbox(header, field)
  const [from, ...moreFrom] = named('from')
  const author = from !== undefined && moreFrom.length === 0 ? mailbox(from) : undefined
  if (author === undefined) return 'From must occur once, with exactly one address'
  const senders = ['sender', 'resent-from', 'resent-sender'].flatMap(named).map(mailbox)
  if (senders.includes(undefined)) return 'Sender must have exactly one address'
  if (named('sender').length > 1) return 'Sender must occur at most once'
  const hasDate = values('date').some((value) => value !== '')
  const messageIds = values('message-id')
  const hasMessageId = messageIds.some((value) => parseMessageIds(value, 1).length > 0)
  if (messageIds.length > 1) return 'Message-ID must occur at most once'
  const replaced = new Set([...(hasDate ? [] : ['date']), ...(hasMessageId ? [] : ['message-id'])])
  return {
    fields,
    author,
    senders: senders as string[],
    visibleRecipients: values('to', 'cc').flatMap((value) => parseAddressList(value, RECIPIENTS_MAX)),
    hasDate,
    hasMessageId,
    hasUtf8: header.some((byte) => byte > 0x7f),
    idempotencyKeys: values(IDEMPOTENCY_KEY),
    draftId: values(DRAFT)[0]?.trim(),
    messageId: messageIds.flatMap((value) => parseMessageIds(value, 1))[0],
    subject: values('subject').join('\n'),
    removed: removedRanges(fields, (name) => REMOVED.has(name) || replaced.has(name)),
  }
}

function removedRanges(
  fields: readonly HeaderField[],
  isRemoved: (lowerName: string) => boolean,
): { start: number; end: number }[] {
  const first = fields[0]!.start // the separator of an mbox file may precede it
  return [
    ...(first > 0 ? [{ start: 0, end: first }] : []),
    ...fields.filter(({ name }) => isRemoved(name.toLowerCase())).map(({ start, end }) => ({ start, end })),
  ]
}

/**
 * Returns the address of a field if every program reads the same one in it: `address` or `name <address>` (RFC 5322 §3.4), with
 * nothing unclosed, no list, no group, and no second address, not even in the name.
 */
function singleMailbox(header: Buffer, field: HeaderField): string | undefined {
  const bytes = header.subarray(field.valueStart, field.end)
  // Escapes of ISO-2022, and the second byte of a character of Shift_JIS, hide a quote from some programs.
  if (!isUtf8(bytes) || CONTROL.test(bytes.toString('latin1'))) return undefined
  const value = fieldValue(header, field)
  const [, name = '', address = ''] = MAILBOX.exec(outlineOf(value) ?? '') ?? []
  const [only, ...others] = parseAddressList(value, 2)
  if (address === '' || others.length > 0 || only?.address !== address) return undefined
  return name.includes('@') && name.trim() !== address ? undefined : address
}

/** Of an outline. */
const MAILBOX = /^([^<>]*)<([^<>@\s]+@[^<>@\s]+)>$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: it must find control characters
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/
const SPECIALS = new Set(',;:\\)')

/**
 * Returns the value without comments, and with "q" for each quoted string: what is left has its meaning wherever it is. One pass. An address
 * without angle brackets gets them.
 *
 * @returns undefined if a quoted string or a comment is unclosed, or if a list, a group or a route occurs
 */
function outlineOf(value: string): string | undefined {
  let outline = ''
  for (let at = 0; at < value.length; at++) {
    const char = value[at]!
    if (SPECIALS.has(char)) return undefined
    if (char !== '"' && char !== '(') {
      outline += char
      continue
    }
    at = char === '"' ? endOfQuotedString(value, at) : endOfComment(value, at)
    if (at < 0) return undefined
    outline += char === '"' ? 'q' : ' '
  }
  const trimmed = outline.trim()
  return /[<\s]/.test(trimmed) ? trimmed : `<${trimmed}>`
}

/** @returns the position of the closing quote; -1: none */
function endOfQuotedString(value: string, open: number): number {
  for (let at = open + 1; at < value.length; at++) {
    if (value[at] === '\\') at++
    else if (value[at] === '"') return at
  }
  return -1
}

/** Comments can be nested (RFC 5322 §3.2.2). @returns the position of the closing parenthesis; -1: none */
function endOfComment(value: string, open: number): number {
  let depth = 0
  for (let at = open; at < value.length; at++) {
    if (value[at] === '\\') at++
    else if (value[at] === '(') depth++
    else if (value[at] === ')' && --depth === 0) return at
  }
  return -1
}
