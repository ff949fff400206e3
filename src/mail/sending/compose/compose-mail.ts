/**
 * Composes the bytes of a checked message: for its way out (submit.ts, which signs them), or for a revision of a draft.
 * The size is limited before it composes, because composing takes time and memory in proportion to the size.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { EventLoop } from '../../../event-loop.ts'
import { composeMessage } from '../../../formats/mime/mime-compose.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { CheckedMessage } from './checked-message.ts'
import type { DroppedRecipient, OutgoingAttachment } from './outgoing.ts'

/** A checked message and the thread it belongs to. */
export interface ThreadedMessage extends Omit<CheckedMessage, 'attachments'> {
  readonly attachments: readonly OutgoingAttachment[]
  readonly inReplyTo?: string
  readonly references?: readonly string[]
  readonly threadId?: string
  /** Only reported in the result. */
  readonly dropped?: readonly DroppedRecipient[]
}

interface ComposeMailNeeds {
  readonly config: Pick<Config, 'messageBytesMax'>
  readonly random: (bytes: number) => Buffer
  readonly eventLoop: Pick<EventLoop, 'nextTurn'>
}

/**
 * @param messageId with angle brackets
 * @param now the Date of the message, epoch ms
 * @param isDraft it is not sent, so it has its Bcc field
 * @returns the whole message, not signed
 * @throws message_too_large
 */
export type ComposeMail = (
  inbox: Pick<InboxRow, 'address' | 'display_name'>,
  message: ThreadedMessage,
  messageId: string,
  now: number,
  isDraft?: boolean,
) => Promise<Buffer>

const BOUNDARY_BYTES = 12

/** Copies of a message in memory until it is stored: its parts, the composed message, and its copy while it is parsed. */
export const COMPOSED_COPIES = 3

export function createComposeMail({ config, random, eventLoop }: ComposeMailNeeds): ComposeMail {
  return async function composeMail(inbox, message, messageId, now, isDraft = false) {
    checkSize(sizeBytesMin(message))
    const fields = {
      messageId,
      date: new Date(now),
      boundary: random(BOUNDARY_BYTES).toString('hex'),
      from: { ...(inbox.display_name !== null && { name: inbox.display_name }), address: inbox.address },
      to: message.to,
      cc: message.cc,
      ...(isDraft && { bcc: message.bcc }),
      replyTo: message.replyTo,
      ...(message.subject !== undefined && { subject: message.subject }),
      ...(message.text !== undefined && { text: message.text }),
      ...(message.html !== undefined && { html: message.html }),
      ...(message.inReplyTo !== undefined && { inReplyTo: message.inReplyTo }),
      references: message.references ?? [],
      headers: message.headers,
      attachments: message.attachments.map((attachment) => ({
        bytes: attachment.bytes,
        ...(attachment.filename !== undefined && { filename: attachment.filename }),
        ...(attachment.contentType !== undefined && { contentType: attachment.contentType }),
        ...(attachment.disposition !== undefined && { disposition: attachment.disposition }),
        ...(attachment.contentId !== undefined && { contentId: attachment.contentId }),
      })),
    }
    const composed = await composeMessage(fields, eventLoop.nextTurn)
    checkSize(composed.length)
    return composed
  }

  function checkSize(bytes: number): void {
    if (bytes > config.messageBytesMax) throw new MailError('message_too_large', { limitBytes: config.messageBytesMax })
  }
}

/** Returns a lower bound of the message's size, for any encoding of its parts. */
function sizeBytesMin({ attachments, text = '', html = '' }: ThreadedMessage): number {
  return attachments.reduce((sum, { bytes }) => sum + bytes.length, text.length + html.length)
}
