/** What waits in the queue, and what may be done to it by hand: the nouns that edges see. */
import type { RecipientState, SubmissionRow } from '../../store/schema.ts'
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'

export type WaitingState = Extract<RecipientState, 'queued' | 'held'>
export type Route = 'relay' | 'direct'

/** One recipient that is not at its end yet. */
export interface WaitingRecipient {
  readonly id: string
  readonly recipient: string
  readonly state: WaitingState
  /** `message`: what an agent sent; others are Martlet's own mails. */
  readonly kind: SubmissionRow['kind']
  /** Address of the inbox that sent it; absent once that is gone. */
  readonly inboxAddress?: string
  /** Of its message, while that lives and the key may see it. */
  readonly messageId?: string
  readonly threadId?: string
  readonly subject?: string
  /** Where it was released to. */
  readonly route?: Route
  /** Since it was queued or last released. */
  readonly attempts: number
  readonly lastReply?: string
  readonly lastCode?: number
  readonly lastEnhancedCode?: string
  /** Epoch ms; present while queued. */
  readonly nextAttemptAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** Narrows what waits. All that is given must be true. */
export interface WaitingFilter {
  readonly state?: WaitingState | undefined
  /** Of the recipient's address. */
  readonly domain?: string | undefined
  /** Address or id of the inbox that sent it. */
  readonly inbox?: string | undefined
  /** Needs an inbox, since a Message-ID is unique only there. */
  readonly message?: string | undefined
}

/** Which recipients a change is for. Something must be said: an empty selection never means everything. */
export interface Selection extends WaitingFilter {
  readonly ids?: readonly string[] | undefined
  /** Recipients' addresses. */
  readonly addresses?: readonly string[] | undefined
  /** Everything in scope that the rest lets through. */
  readonly isAll?: boolean | undefined
}

/**
 * - `hold`: queued → held; nothing is tried until it is released
 * - `release`: held → queued, due now, its age and attempts counted anew
 * - `cancel`: queued or held → cancelled, for good
 * - `retry`: queued → due now
 */
export type QueueAction = 'hold' | 'release' | 'cancel' | 'retry'

export interface Changed {
  readonly changed: number
  /** Left as they are because they are being handed over at this moment: ask again. */
  readonly busy: number
  /** There are more than one call changes: the same call again goes on. */
  readonly isMore: boolean
}

export interface Queue {
  /** Newest first. @throws not_found, missing_permission, validation_error, invalid_page_token */
  list(actor: Actor, within: Within, filter: WaitingFilter, page: PageRequest): Promise<Page<WaitingRecipient>>
  /**
   * Changes up to limits.queueChangeMax recipients, the oldest first, in one transaction with what is told of it. A
   * recipient whose state does not fit is passed over.
   *
   * @param route  of a release, instead of the configured one
   * @throws not_found, missing_permission, validation_error
   */
  change(actor: Actor, within: Within, action: QueueAction, selection: Selection, route?: Route): Promise<Changed>
}
