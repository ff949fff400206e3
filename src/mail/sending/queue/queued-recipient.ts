/** The waiting part of the queue, and the manual changes to it: the types that edges use. */
import type { RecipientState, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Actor, Within } from '../../access/actor.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'

export type WaitingState = Extract<RecipientState, 'queued' | 'held'>
export type Route = 'relay' | 'direct'

/** One recipient without a final state. */
export interface WaitingRecipient {
  readonly id: string
  readonly recipient: string
  readonly state: WaitingState
  /** `message`: sent by an agent; the others are Martlet's own mail. */
  readonly kind: SubmissionRow['kind']
  /** Address of the inbox that sent it; absent once that is deleted. */
  readonly inboxAddress?: string
  /** Of its message, while that exists and the key may see it. */
  readonly messageId?: string
  readonly threadId?: string
  readonly subject?: string
  /** The route that it was released to. */
  readonly route?: Route
  /** Attempts since it was queued or last released. */
  readonly attempts: number
  readonly lastReply?: string
  readonly lastCode?: number
  readonly lastEnhancedCode?: string
  /** Epoch ms; present while queued. */
  readonly nextAttemptAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** Filters waiting recipients. All given conditions must match. */
export interface WaitingFilter {
  readonly state?: WaitingState | undefined
  /** Domain of the recipient's address. */
  readonly domain?: string | undefined
  /** Address or id of the inbox that sent it. */
  readonly inbox?: string | undefined
  /** Needs an inbox, since a Message-ID is unique only there. */
  readonly message?: string | undefined
}

/**
 * Selects the recipients of a change. At least one condition is required: an empty selection never means everything.
 */
export interface Selection extends WaitingFilter {
  readonly ids?: readonly string[] | undefined
  /** Recipients' addresses. */
  readonly addresses?: readonly string[] | undefined
  /** Everything in scope that matches the other conditions. */
  readonly isAll?: boolean | undefined
}

/**
 * - `hold`: queued → held; no attempt until it is released
 * - `release`: held → queued, due now; its age and attempts restart
 * - `cancel`: queued or held → cancelled, permanently
 * - `retry`: queued → due now
 */
export type QueueAction = 'hold' | 'release' | 'cancel' | 'retry'

export interface Changed {
  readonly changed: number
  /** Left unchanged because a delivery attempt is running: repeat the call. */
  readonly busy: number
  /** More recipients match than one call changes: repeat the call to continue. */
  readonly isMore: boolean
}

export interface Queue {
  /** Newest first. @throws not_found, missing_permission, validation_error, invalid_page_token */
  list(actor: Actor, within: Within, filter: WaitingFilter, page: PageRequest): Promise<Page<WaitingRecipient>>
  /**
   * Changes up to limits.delivery.queueChangeMax recipients, the oldest first, in one transaction with the history and
   * events. A recipient in another state is skipped.
   *
   * @param route for a release, instead of the configured one
   * @throws not_found, missing_permission, validation_error
   */
  change(actor: Actor, within: Within, action: QueueAction, selection: Selection, route?: Route): Promise<Changed>
}
