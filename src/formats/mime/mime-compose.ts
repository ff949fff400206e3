/**
 * Message fields and bodies → the bytes that are sent: MIME structure, encodings, folding, by nodemailer's composer.
 *
 * Deterministic: Message-ID, Date and boundary come in, so that a repeated send makes the same bytes. The result is
 * CRLF, 7-bit, with no line over 998 characters (RFC 5321 §4.5.3.1.6), and can go to a server without 8BITMIME.
 * Bcc recipients are in the envelope only (RFC 5322 §3.6.3 lets us leave the field out), so there is no argument for them.
 */
import MailComposer from 'nodemailer/lib/mail-composer'
import { type Address, singleLine } from '../address/address.ts'
import { isForbiddenHeader } from './protected-headers.ts'
import { replaceEach, withLineBreaks } from './text-builder.ts'

export interface ComposeAttachment {
  filename?: string
  /** `type/subtype` with parameters; application/octet-stream where it is missing, malformed or a multipart. */
  contentType?: string
  disposition?: 'inline' | 'attachment'
  /** Without angle brackets. With HTML, the part goes beside it into multipart/related (RFC 2387). */
  contentId?: string
  content: Buffer
}

export interface ComposeInput {
  /** With angle brackets. */
  messageId: string
  date: Date
  /** Shared part of all boundaries: random enough to occur in no body, for example 16 hex digits. */
  boundary: string
  from: Address
  sender?: Address
  to: readonly Address[]
  cc?: readonly Address[]
  replyTo?: readonly Address[]
  subject?: string
  text?: string
  html?: string
  attachments?: readonly ComposeAttachment[]
  /** With angle brackets. */
  inReplyTo?: string
  references?: readonly string[]
  /** Further fields. Forbidden ones are left out: a caller that accepts them from a client checks isForbiddenHeader and reports them. */
  headers?: readonly (readonly [name: string, value: string])[]
}

/** RFC 2045 §5.1, strict: a type that a client gives goes into a header as it is. */
const CONTENT_TYPE = /^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*(?:;\s*[\w-]+=(?:[\w.+:/-]+|"[\w .+:/'()-]*"))*$/i
const CONTENT_TYPE_CHARS_MAX = 300
const CONTENT_ID_CHARS_MAX = 200
/** What file systems hold. The end is kept, since it says what kind of file it is. */
const FILENAME_CHARS_MAX = 255

/** Fields are folded at spaces; a word that has none for this long is cut into encoded words (RFC 2047 §2). */
const WORD_CHARS_MAX = 900

/**
 * Composes a message. Reads no file and fetches no URL, whatever the fields say.
 *
 * @returns the whole message, ready to be signed and queued
 */
export async function composeMessage(input: ComposeInput): Promise<Buffer> {
  const composer = new MailComposer({
    baseBoundary: input.boundary,
    messageId: singleLine(input.messageId),
    date: input.date,
    from: mailbox(input.from),
    ...(input.sender && { sender: mailbox(input.sender) }),
    to: input.to.map(mailbox),
    cc: (input.cc ?? []).map(mailbox),
    replyTo: (input.replyTo ?? []).map(mailbox),
    ...(input.subject !== undefined && { subject: headerText(input.subject) }),
    ...(input.inReplyTo !== undefined && { inReplyTo: singleLine(input.inReplyTo) }),
    references: (input.references ?? []).map(singleLine),
    ...(input.text !== undefined && { text: bodyText(input.text) }),
    ...(input.html !== undefined && { html: bodyText(input.html) }),
    attachments: (input.attachments ?? []).map(attachment),
    headers: (input.headers ?? [])
      .filter(([name]) => !isForbiddenHeader(name))
      .map(([key, value]) => ({ key, value: headerText(value) })),
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: '\r\n',
  })
  return composer.compile().build()
}

/** As an object, never as text: nodemailer would parse text again, and a name could become a second address. */
function mailbox({ name, address }: Address) {
  return { name: headerText(name ?? ''), address: singleLine(address).replace(/[<>]/g, '') }
}

function attachment({ filename, contentType = '', disposition, contentId, content }: ComposeAttachment) {
  const isUsable = contentType.length <= CONTENT_TYPE_CHARS_MAX && CONTENT_TYPE.test(contentType)
  const type = isUsable && !/^multipart\//i.test(contentType) ? contentType : 'application/octet-stream'
  return {
    filename: filename === undefined ? (false as const) : singleLine(filename).slice(-FILENAME_CHARS_MAX),
    contentType: type,
    ...(disposition && { contentDisposition: disposition }),
    ...(contentId !== undefined && { cid: contentIdText(contentId) }),
    content,
    // RFC 2046 §5.2.1 wants message/rfc822 unencoded; one that is not 7-bit itself is sent as base64 all the same, as
    // Gmail does, since the alternative is to need 8BITMIME of every hop.
    contentTransferEncoding: /^message\//i.test(type) && isSevenBit(content) ? '7bit' : 'base64',
  }
}

/** RFC 2045 §7: like a Message-ID, so ASCII without white space, and never folded. */
function contentIdText(contentId: string): string {
  return contentId.replace(/[^!-~]|[<>]/g, '').slice(0, CONTENT_ID_CHARS_MAX)
}

function isSevenBit(content: Buffer): boolean {
  let lineLength = 0
  for (const byte of content) {
    if (byte === 0 || byte > 0x7f || lineLength > 998) return false
    lineLength = byte === 0x0a ? 0 : lineLength + 1
  }
  return true
}

function bodyText(text: string): string {
  return withLineBreaks(replaceEach(text, '\0', ''), '\r\n')
}

function headerText(text: string): string {
  return singleLine(text)
    .split(' ')
    .map((word) => (word.length > WORD_CHARS_MAX ? encodedWords(word) : word))
    .join(' ')
}

/** RFC 2047 §2: 75 characters a word at most, and no character cut in two; 10 code points are at most 40 bytes. */
function encodedWords(word: string): string {
  const words: string[] = []
  let piece: string[] = []
  const end = () => words.push(`=?UTF-8?B?${Buffer.from(piece.join('')).toString('base64')}?=`)
  for (const char of word) {
    piece.push(char)
    if (piece.length === 10) {
      end()
      piece = []
    }
  }
  if (piece.length > 0) end()
  return words.join(' ')
}
