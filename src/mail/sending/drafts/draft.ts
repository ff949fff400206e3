/** Drafts as callers see and change them. Times are epoch ms. */
import type { Address } from '../../../formats/address/address.ts'
import type { DraftKind } from '../../../store/schema/draft-rows.ts'
import type { MessageItem } from '../../messages/views/message.ts'
import type { OutgoingMessage, RequestedAttachment } from '../compose/outgoing.ts'

/** The fields of a draft in a list. */
export interface DraftItem
  extends Pick<MessageItem, 'inboxAddress' | 'to' | 'cc' | 'bcc' | 'subject' | 'preview' | 'attachments'> {
  readonly id: string
  readonly inboxId: string
  /** Absent: it begins a thread. */
  readonly threadId?: string
  /** Our id of the message that it answers or forwards, which may have been deleted. */
  readonly sourceId?: string
  readonly kind: DraftKind
  /** The caller's own, and `scheduled`. */
  readonly labels: readonly string[]
  /** The id of the message that it answers or forwards, as clients see it. */
  readonly inReplyTo?: string
  readonly forwardOf?: string
  /** Absent: not scheduled. */
  readonly sendStatus?: 'scheduled' | 'sending' | 'failed'
  readonly sendAt?: number
  /** Why the scheduler could not send it: a sentence. */
  readonly sendError?: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** A draft with its bodies. */
export interface Draft extends DraftItem {
  readonly clientId?: string
  readonly replyTo: readonly Address[]
  readonly text?: string
  readonly html?: string
  /** Message-IDs, of a reply or forward. */
  readonly references: readonly string[]
}

/** What a key that may change a draft, but not read it, gets of it: nothing of its content. */
export type DraftOutline = Pick<
  Draft,
  'id' | 'inboxId' | 'inboxAddress' | 'labels' | 'sendStatus' | 'sendAt' | 'createdAt' | 'updatedAt'
>

export function isWhole(draft: Draft | DraftOutline): draft is Draft {
  return 'to' in draft
}

export interface NewDraft extends Omit<OutgoingMessage, 'headers' | 'isHeld'> {
  /** The message that it answers. Excludes forwardOf. */
  readonly inReplyTo?: string | undefined
  readonly forwardOf?: string | undefined
  /** Answers all recipients of that message; excludes to, cc and bcc. */
  readonly toAll?: boolean | undefined
  readonly sendAt?: number | undefined
  /** The caller's own name for it: a repeated create returns the draft that has it. */
  readonly clientId?: string | undefined
}

/** undefined: unchanged. null clears, and so does an empty list of recipients. */
export interface DraftChange {
  readonly to?: readonly string[] | null | undefined
  readonly cc?: readonly string[] | null | undefined
  readonly bcc?: readonly string[] | null | undefined
  readonly replyTo?: readonly string[] | null | undefined
  readonly subject?: string | null | undefined
  readonly text?: string | null | undefined
  readonly html?: string | null | undefined
  /** Those given by URL are fetched now. */
  readonly addAttachments?: readonly RequestedAttachment[] | undefined
  /** Their ids. */
  readonly removeAttachments?: readonly string[] | undefined
  readonly addLabels?: readonly string[] | undefined
  readonly removeLabels?: readonly string[] | undefined
  /** null: it is no longer scheduled. */
  readonly sendAt?: number | null | undefined
}

export interface DraftFilter {
  /** A draft must have all of them. */
  readonly labels?: readonly string[] | undefined
  /** Compared with the time of the last change, epoch ms, exclusive. */
  readonly before?: number | undefined
  readonly after?: number | undefined
}
