/**
 * Composes the bytes of a message from its fields and bodies. Nodemailer's composer writes the MIME structure, encodes
 * and folds.
 *
 * Deterministic: Message-ID, Date and boundary are arguments, so that a repeated call returns the same bytes. The
 * result has CRLF line ends, is 7-bit and has no line over 998 characters (RFC 5321 §4.5.3.1.6), so any server accepts
 * it, also one without 8BITMIME. Bcc recipients of a message that is sent are only in the envelope (RFC 5322 §3.6.3 allows
 * this): only a draft has the field, so that a mail program can edit it.
 */
import { Readable } from 'node:stream'
import MailComposer from 'nodemailer/lib/mail-composer'
import type MimeNode from 'nodemailer/lib/mime-node'
import { type Address, singleLine } from '../address/address.ts'
import { serializeMime } from './mime-serialize.ts'
import { isForbiddenHeader } from './protected-headers.ts'
import { replaceEach, withLineBreaks } from './text-builder.ts'

export interface ComposeAttachment {
  filename?: string
  /** `type/subtype` with parameters. If it is missing, malformed or a multipart, application/octet-stream is used. */
  contentType?: string
  disposition?: 'inline' | 'attachment'
  /** Without angle brackets. If there is an HTML body, both become parts of a multipart/related (RFC 2387). */
  contentId?: string
  bytes: Buffer
}

export interface ComposeInput {
  /** With angle brackets. */
  messageId: string
  date: Date
  /** The common part of all boundaries. Random enough to occur in no body, for example 16 hex digits. */
  boundary: string
  from: Address
  sender?: Address
  to: readonly Address[]
  cc?: readonly Address[]
  /** Only for a draft. */
  bcc?: readonly Address[]
  replyTo?: readonly Address[]
  subject?: string
  text?: string
  html?: string
  attachments?: readonly ComposeAttachment[]
  /** With angle brackets. */
  inReplyTo?: string
  references?: readonly string[]
  /** Other fields. Forbidden ones are left out; a caller that gets them from a client checks and reports them first. */
  headers?: readonly (readonly [name: string, value: string])[]
}

/** RFC 2045 §5.1. Strict, because the type from a client is written into a header unchanged. */
const CONTENT_TYPE = /^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*(?:;\s*[\w-]+=(?:[\w.+:/-]+|"[\w .+:/'()-]*"))*$/i
const [CR, LF] = Buffer.from('\r\n')

const CONTENT_TYPE_CHARS_MAX = 300
const CONTENT_ID_CHARS_MAX = 200
/** The limit of most file systems. The end of a longer name is kept, because it contains the file type. */
const FILENAME_CHARS_MAX = 255

/** Fields are folded at spaces. A longer word is split into encoded words (RFC 2047 §2). */
const WORD_CHARS_MAX = 900

/** A message with contents up to this size is composed in one turn of the event loop. */
const ONE_TURN_BYTES = 256 * 1024

/** Bytes of a larger attachment that are encoded in one turn of the event loop, in about 5 ms. */
const SLICE_BYTES = 1024 * 1024

/**
 * Composes a message. Reads no file and fetches no URL, whatever the fields contain.
 *
 * @param nextTurn resolves in a later turn of the event loop: 45 MB in one turn would take 0.2 s. Default: all in one turn
 * @returns the whole message, ready to be signed and queued
 */
export async function composeMessage(input: ComposeInput, nextTurn?: () => Promise<void>): Promise<Buffer> {
  const { text = '', html = '', attachments = [] } = input
  const contentBytes = attachments.reduce((sum, { bytes }) => sum + bytes.length, text.length + html.length)
  const tree = mimeTree(input, nextTurn)
  return contentBytes <= ONE_TURN_BYTES ? serializeMime(tree) : tree.build()
}

/** Returns the parts of a message, with their header fields. */
export function mimeTree(input: ComposeInput, nextTurn?: () => Promise<void>): MimeNode {
  const composer = new MailComposer({
    baseBoundary: input.boundary,
    messageId: singleLine(input.messageId),
    date: input.date,
    from: mailbox(input.from),
    ...(input.sender && { sender: mailbox(input.sender) }),
    to: input.to.map(mailbox),
    cc: (input.cc ?? []).map(mailbox),
    bcc: (input.bcc ?? []).map(mailbox),
    replyTo: (input.replyTo ?? []).map(mailbox),
    ...(input.subject !== undefined && { subject: headerText(input.subject) }),
    ...(input.inReplyTo !== undefined && { inReplyTo: singleLine(input.inReplyTo) }),
    references: (input.references ?? []).map(singleLine),
    ...(input.text !== undefined && { text: bodyText(input.text) }),
    ...(input.html !== undefined && { html: bodyText(input.html) }),
    attachments: (input.attachments ?? []).map((each) => attachment(each, nextTurn)),
    headers: (input.headers ?? [])
      .filter(([name]) => !isForbiddenHeader(name))
      .map(([key, value]) => ({ key, value: headerText(value) })),
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: '\r\n',
  })
  const root = composer.compile()
  root.keepBcc = true
  return root
}

/** Returns an object, not text: nodemailer would parse text, and a name could become a second address. */
function mailbox({ name, address }: Address) {
  return { name: headerText(name ?? ''), address: singleLine(address).replace(/[<>]/g, '') }
}

function attachment(
  { filename, contentType = '', disposition, contentId, bytes }: ComposeAttachment,
  nextTurn?: () => Promise<void>,
) {
  const isUsable = contentType.length <= CONTENT_TYPE_CHARS_MAX && CONTENT_TYPE.test(contentType)
  const type = isUsable && !/^multipart\//i.test(contentType) ? contentType : 'application/octet-stream'
  return {
    filename: filename === undefined ? (false as const) : singleLine(filename).slice(-FILENAME_CHARS_MAX),
    contentType: type,
    ...(disposition && { contentDisposition: disposition }),
    ...(contentId !== undefined && { cid: contentIdText(contentId) }),
    content: nextTurn && bytes.length > SLICE_BYTES ? Readable.from(slicesOf(bytes, nextTurn)) : bytes,
    // RFC 2046 §5.2.1 forbids encoding message/rfc822. One that is not 7-bit is sent as base64 anyway, as Gmail does:
    // otherwise every server on the way would need 8BITMIME.
    contentTransferEncoding: /^message\//i.test(type) && isSevenBit(bytes) ? '7bit' : 'base64',
  }
}

async function* slicesOf(bytes: Buffer, nextTurn: () => Promise<void>): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    await nextTurn()
    yield bytes.subarray(at, at + SLICE_BYTES)
  }
}

/** RFC 2045 §7: has the syntax of a Message-ID, so it is ASCII without white space and is never folded. */
function contentIdText(contentId: string): string {
  return contentId.replace(/[^!-~]|[<>]/g, '').slice(0, CONTENT_ID_CHARS_MAX)
}

/** RFC 2045 §2.7. A CR without an LF becomes a line break on the way, which breaks the signature. */
function isSevenBit(bytes: Buffer): boolean {
  let lineLength = 0
  let previous = 0
  for (const byte of bytes) {
    if (byte === 0 || byte > 0x7f || lineLength > 998 || (previous === CR && byte !== LF)) return false
    lineLength = byte === LF ? 0 : lineLength + 1
    previous = byte
  }
  return previous !== CR
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

/**
 * RFC 2047 §2: an encoded word has at most 75 characters and splits no character; 10 code points are at most 40 bytes.
 */
function encodedWords(word: string): string {
  const words: string[] = []
  let chars: string[] = []
  const endWord = () => words.push(`=?UTF-8?B?${Buffer.from(chars.join('')).toString('base64')}?=`)
  for (const char of word) {
    chars.push(char)
    if (chars.length === 10) {
      endWord()
      chars = []
    }
  }
  if (chars.length > 0) endWord()
  return words.join(' ')
}
