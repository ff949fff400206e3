/**
 * Checks a request to send and resolves its values: every rule about what a client may request is checked here, before
 * anything is written. Pure.
 */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { type Address, isSmtpMailbox, parseRecipient } from '../../../formats/address/address.ts'
import { isForbiddenHeader } from '../../../formats/mime/protected-headers.ts'
import { parseUserLabels } from '../../messages/labels/label-rules.ts'
import type { OutgoingMessage, RequestedAttachment } from './outgoing.ts'

/** A client's request to send, with every value valid. */
export interface CheckedMessage {
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly bcc: readonly Address[]
  readonly replyTo: readonly Address[]
  readonly subject?: string
  readonly text?: string
  readonly html?: string
  readonly attachments: readonly RequestedAttachment[]
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly labels: readonly string[]
}

/** Recipients that are not the client's: those that a reply gets from the message that it answers. */
export type DefaultRecipients = Pick<CheckedMessage, 'to' | 'cc'>

const NONE: DefaultRecipients = { to: [], cc: [] }

interface CheckOptions {
  /** Recipients for each of `to` and `cc` that the client leaves out or empty. */
  readonly defaults?: DefaultRecipients
  /** It may have no recipients yet. */
  readonly isDraft?: boolean
}

/** @throws validation_error, no_recipients, too_many_recipients, system_label */
export function checkMessage(
  message: OutgoingMessage,
  limits: Limits,
  { defaults = NONE, isDraft = false }: CheckOptions = {},
): CheckedMessage {
  checkSizes(message, limits, { defaults, isDraft })
  const labels = parseUserLabels(message.labels ?? [], limits)
  if (labels.length > limits.messages.labelsPerMessageMax) {
    throw invalid(`A message can have at most ${limits.messages.labelsPerMessageMax} labels`, 'labels')
  }
  return {
    to: message.to?.length ? parseRecipients('to', message.to) : defaults.to,
    cc: message.cc?.length ? parseRecipients('cc', message.cc) : defaults.cc,
    bcc: parseRecipients('bcc', message.bcc),
    replyTo: parseRecipients('reply_to', message.replyTo),
    ...(message.subject !== undefined && { subject: message.subject }),
    ...(message.text !== undefined && { text: message.text }),
    ...(message.html !== undefined && { html: message.html }),
    attachments: message.attachments ?? [],
    headers: parseHeaders(message.headers ?? {}, limits.sending.headersMax),
    labels,
  }
}

/**
 * Checks counts and lengths before any address is parsed or text is copied, so that an oversized request is refused
 * cheaply.
 *
 * @throws validation_error, no_recipients, too_many_recipients
 */
export function checkSizes(
  { to = [], cc = [], bcc = [], replyTo = [], attachments = [], text = '', html = '', ...more }: OutgoingMessage,
  limits: Limits,
  { defaults = NONE, isDraft = false }: CheckOptions = {},
): void {
  const recipients = (to.length || defaults.to.length) + (cc.length || defaults.cc.length) + bcc.length
  if (recipients === 0 && !isDraft) throw new MailError('no_recipients', {})
  if (recipients > limits.sending.recipientsMax) {
    throw new MailError('too_many_recipients', { recipientsMax: limits.sending.recipientsMax })
  }
  if (replyTo.length > limits.sending.recipientsMax) {
    throw invalid(`A message can have at most ${limits.sending.recipientsMax} addresses in reply_to`, 'reply_to')
  }
  checkAttachmentCount(attachments.length, limits)
  const headerTexts = [
    more.subject ?? '',
    ...to,
    ...cc,
    ...bcc,
    ...replyTo,
    ...Object.entries(more.headers ?? {}).flat(),
  ]
  if (headerTexts.reduce((sum, each) => sum + each.length, 0) > limits.sending.headerCharsMax) {
    const most = `at most ${limits.sending.headerCharsMax} characters`
    throw invalid(`Subject, addresses and headers of a message can have ${most} together`, 'headers')
  }
  for (const [field, value] of Object.entries({ text, html })) {
    if (value.length <= limits.sending.textCharsMax) continue
    throw invalid(`${field} can have at most ${limits.sending.textCharsMax} characters; attach what is longer`, field)
  }
}

/** @throws validation_error */
export function checkAttachmentCount(count: number, { sending }: Pick<Limits, 'sending'>): void {
  if (count <= sending.attachmentsMax) return
  throw invalid(`A message can have at most ${sending.attachmentsMax} attachments`, 'attachments')
}

/** Returns the envelope recipients: each address once, in order. */
export function envelopeRecipients({ to, cc, bcc }: Pick<CheckedMessage, 'to' | 'cc' | 'bcc'>): string[] {
  return [...new Set([...to, ...cc, ...bcc].map(({ address }) => address))]
}

function parseRecipients(field: string, texts: readonly string[] = []): Address[] {
  return texts.map((text, index) => {
    const recipient = parseRecipient(text)
    if (!recipient) {
      const detail = `${field}: "${text.slice(0, 100)}" is not an address like ann@example.com or Ann <ann@example.com>`
      const fix = /@.*[,;].*@/s.test(text) ? `Write several addresses as an array: "${field}": ["…", "…"].` : undefined
      throw new MailError('validation_error', { detail, path: [field, index], ...(fix !== undefined && { fix }) })
    }
    // This covers Reply-To too: no one could reply to such an address.
    if (!isSmtpMailbox(recipient.address)) {
      const detail = `${field}: "${text.slice(0, 100)}" has < or > in the local part of its address; no mail can be sent to it`
      throw invalid(detail, field, index)
    }
    return recipient
  })
}

function parseHeaders(headers: Readonly<Record<string, string>>, countMax: number): [string, string][] {
  const entries = Object.entries(headers)
  if (entries.length > countMax) throw invalid(`A message can have at most ${countMax} extra headers`, 'headers')
  for (const [name, value] of entries) {
    // RFC 5322 §2.2: printable ASCII without colon.
    if (!/^[\x21-\x39\x3b-\x7e]{1,76}$/.test(name))
      throw invalid(`"${name.slice(0, 100)}" is not a header name`, 'headers', name)
    if (isForbiddenHeader(name))
      throw invalid(`The header ${name} is set by the server and cannot be given`, 'headers', name)
    if (/[\r\n\0]/.test(value)) throw invalid(`The header ${name} has a line break in its value`, 'headers', name)
  }
  return entries
}

function invalid(detail: string, ...path: (string | number)[]): MailError {
  return new MailError('validation_error', { detail, path })
}
