/**
 * Stops programs that answer each other.
 *
 * - An automatic answer to automatic mail, or to mail that asks for none, is refused (RFC 3834 §2): both say what they are. The API knows the answered message; the
 *   header of a message from a mail program names it.
 * - Most agents do not say it. So the replies of an inbox in one thread have a budget per hour; further ones are held, and a
 *   person decides. The other side gets no answer, and stops too (docs/adr/0049).
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { isAutoSubmitted, isUnanswerableMail } from '../../../formats/mime/automatic-mail.ts'
import type { Tx } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import type { SystemActor } from '../../access/actor.ts'
import { headersOf } from '../../messages/content/bodies.ts'
import type { ParsedMail } from '../../messages/content/parsed-message.ts'
import { hashId } from '../../messages/threads/threading.ts'
import type { Message } from '../../messages/views/message.ts'
import type { OutgoingReply } from './outgoing.ts'

/** In the history of recipients, and as the actor of message.held. */
export const LOOP_GUARD: SystemActor = { kind: 'system', name: 'reply-loop-guard' }

/** Whether `requireAnswerable` must see the answered message. */
export function mustBeAnswerable({ headers }: Pick<OutgoingReply, 'headers'>): boolean {
  return isAutoSubmitted(Object.entries(headers ?? {}))
}

/**
 * @param row the message that is answered by an automatic message, and its whole
 * @throws automatic_loop
 */
export function requireAnswerable(row: StoredMessageRow, { headers }: Pick<Message, 'headers'>): void {
  // §2: a message with a null return path is a report, or an automatic answer
  if (row.envelope_sender === '' || isUnanswerableMail(headers)) throw new MailError('automatic_loop', {})
}

/**
 * The same for a message of a mail program. If the inbox has no message with the id that it answers, it may be sent.
 *
 * @throws automatic_loop
 */
export async function requireAnswerableByHeader(
  source: { readonly store: Pick<Store, 'db' | 'blobs'> },
  inboxId: string,
  { isAutomatic, inReplyTo, references }: Pick<ParsedMail, 'isAutomatic' | 'inReplyTo' | 'references'>,
): Promise<void> {
  const answered = inReplyTo[0] ?? references.at(-1)
  if (isAutomatic !== true || answered === undefined) return
  const row = await messages.newestByHeaderId(source.store.db, inboxId, hashId(answered))
  const headers = row && (await headersOf(source, row))
  if (headers) requireAnswerable(row, { headers })
}

/**
 * Whether a message is a reply beyond the budget of its inbox in this thread. Runs when the inbox is locked, so that two replies
 * at the same time count each other.
 *
 * @param inBatch replies in this thread that the same batch stores before this one
 */
export async function isBeyondBudget(
  tx: Tx,
  { inReplyTo, threadId }: Answered,
  { threadRepliesMax, limits }: Pick<Config, 'threadRepliesMax' | 'limits'>,
  inBatch: number,
): Promise<boolean> {
  if (inReplyTo === undefined || threadId === undefined || threadRepliesMax === 'off') return false
  const since = tx.now - limits.sending.threadRepliesMs
  const scan = { since, messagesMax: limits.sending.threadRepliesScannedMax }
  return (await messages.countSentReplies(tx, threadId, scan)) + inBatch >= threadRepliesMax
}

/** What a message answers: a Message-ID, and its thread. */
export interface Answered {
  readonly inReplyTo?: string | undefined
  readonly threadId?: string | undefined
}
