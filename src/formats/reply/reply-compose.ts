/**
 * Derives the parts of a reply or forward from the original message: the subject, the references, and the block that a
 * forward quotes.
 */
import { type Address, formatAddress, singleLine } from '../address/address.ts'
import { escapeHtml } from '../html/escape-html.ts'
import { linesOfHtml } from '../html/html-lines.ts'
import { replaceEach, withLineBreaks } from '../mime/text-builder.ts'
import { isForwardSubject, isReplySubject } from './reply-context.ts'

/** RFC 5322 §3.6.4 has no limit. A header must not grow without one, and the nearest ancestors decide the thread. */
const REFERENCES_MAX = 100
/** "In-Reply-To: " and the id fit into the longest line (RFC 5322 §2.1.1). */
const ID_CHARS_MAX = 998 - 'In-Reply-To: '.length

/** Returns the subject of a reply. RFC 5322 §3.6.5: "Re: " is added only once. */
export function replySubject(subject = ''): string {
  const line = singleLine(subject)
  return isReplySubject(line) ? line : `Re: ${line}`.trimEnd()
}

/** Returns the subject of a forward. */
export function forwardSubject(subject = ''): string {
  const line = singleLine(subject)
  return isForwardSubject(line) ? line : `Fwd: ${line}`.trimEnd()
}

/** The ids in the header of a message, with angle brackets. */
export interface ThreadFields {
  messageId?: string
  inReplyTo?: readonly string[]
  references?: readonly string[]
}

/**
 * Returns In-Reply-To and References of a reply (RFC 5322 §3.6.4): the References of the parent, or its In-Reply-To if
 * that is a single id, and then the id of the parent. Of a long thread, the first id and the last ones are kept. An id
 * that a header line cannot carry is left out: it is too long, or not ASCII, as in mail for SMTPUTF8 (RFC 6532 §3.3).
 */
export function replyReferences(parent: ThreadFields): { inReplyTo?: string; references: string[] } {
  const { inReplyTo = [], references = [] } = parent
  const messageId = parent.messageId !== undefined && fitsInLine(parent.messageId) ? parent.messageId : undefined
  const ancestors = references.length > 0 ? references : inReplyTo.length === 1 ? inReplyTo : []
  const ids = [...new Set([...ancestors.filter(fitsInLine), ...(messageId === undefined ? [] : [messageId])])]
  const kept = ids.length <= REFERENCES_MAX ? ids : [ids[0]!, ...ids.slice(1 - REFERENCES_MAX)]
  return messageId === undefined ? { references: kept } : { inReplyTo: messageId, references: kept }
}

function fitsInLine(id: string): boolean {
  return id.length <= ID_CHARS_MAX && /^[\x21-\x7e]+$/.test(id)
}

/** The message that a reply or forward contains. */
export interface Original {
  from: readonly Address[]
  to: readonly Address[]
  cc?: readonly Address[]
  subject?: string
  date?: Date
  text?: string
  html?: string
}

/**
 * Composes the bodies of a forward: the text of the sender, then the original below its header lines.
 *
 * @param added  the text and HTML of the sender
 * @returns the text; also HTML, if the original or the sender has HTML
 */
export function forwardBody(
  original: Original,
  added: { text?: string; html?: string } = {},
): { text: string; html?: string } {
  const header = headerLines(original)
  const originalText = original.text ?? ''
  const text = joinText(added.text, ['---------- Forwarded message ---------', ...header, '', originalText].join('\n'))
  if (original.html === undefined && added.html === undefined) return { text }

  const rows = ['---------- Forwarded message ---------', ...header].map(escapeHtml).join('<br>\n')
  const quoted = original.html ?? textAsHtml(originalText)
  const addedHtml = added.html ?? textAsHtml(added.text ?? '')
  const block = `<div class="gmail_quote">\n<div class="gmail_attr">${rows}</div>\n<br>\n${quoted}\n</div>`
  return { text, html: addedHtml === '' ? block : `${addedHtml}\n<br>\n${block}` }
}

/**
 * Composes the bodies of a reply with the original quoted below the text of the sender, in the form of Gmail, which
 * other mail programs and extractors of replies know. Of HTML, the text is quoted: a stranger's scripts and styles must
 * not be sent in our name.
 *
 * @param added    the text and HTML of the sender: a body that the sender did not write is left out, unless there is none
 * @param charsMax of a longer original, only the beginning of its text is quoted
 */
export function quotedBody(
  original: Original,
  added: { text?: string; html?: string },
  charsMax: number,
): { text?: string; html?: string } {
  const date = original.date === undefined ? '' : `On ${original.date.toUTCString()}, `
  const attribution = `${date}${addressLine(original.from)} wrote:`
  const shown = original.text?.slice(0, charsMax) ?? linesOfHtml(original.html ?? '', charsMax)
  // Mail programs begin a line at each of these, and a line without ">" would look like the sender's.
  const originalText = shown.replace(/\r\n?|[\v\f\u0085\u2028\u2029]/g, '\n')
  const text = joinText(added.text, `${attribution}${replaceEach(`\n${originalText}`, '\n', '\n> ')}`)
  if (added.html === undefined) return { text }
  const style = 'margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex'
  const block = [
    `<div class="gmail_quote"><div class="gmail_attr">${escapeHtml(attribution)}<br></div>`,
    `<blockquote class="gmail_quote" style="${style}">${textAsHtml(originalText)}</blockquote></div>`,
  ].join('\n')
  return { ...(added.text !== undefined && { text }), html: `${added.html}\n<br>\n${block}` }
}

function headerLines({ from, to, cc = [], subject = '', date }: Original): string[] {
  return [
    `From: ${addressLine(from)}`,
    ...(date === undefined ? [] : [`Date: ${date.toUTCString()}`]),
    `Subject: ${singleLine(subject)}`,
    `To: ${addressLine(to)}`,
    ...(cc.length === 0 ? [] : [`Cc: ${addressLine(cc)}`]),
  ]
}

function addressLine(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(', ')
}

function joinText(added: string | undefined, block: string): string {
  return added === undefined || added === '' ? block : `${added}\n\n${block}`
}

function textAsHtml(text: string): string {
  return withLineBreaks(escapeHtml(text), '<br>\n')
}
