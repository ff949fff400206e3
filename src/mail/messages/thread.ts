/** Threads as they may be shown, and the calls on them. A thread lives in one inbox. */
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'
import type { ThreadSnapshot } from '../events/message-events.ts'
import type { Attachment, Download, LabelChange, MailFilter, Message } from './message.ts'

/** What a list shows of a thread: what its events tell as well, and where it is. */
export interface ThreadItem extends ThreadSnapshot {
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly inboxAddress: string
}

export interface ThreadFilter extends MailFilter {
  /** Substrings, each of which must occur. */
  readonly senders?: readonly string[] | undefined
  readonly recipients?: readonly string[] | undefined
}

/** All throw not_found for what is not there or not in scope, and missing_permission. */
export interface Threads {
  /**
   * Newest first, by the newest message that no class hides (by the newest of all in a thread without one). Filters match,
   * and fields are made of, what the actor may see and has asked for; never a hidden message beside it.
   */
  list(actor: Actor, within: Within, filter: ThreadFilter, page: PageRequest): Promise<Page<ThreadItem>>
  /** The first page holds the newest messages; inside a page the oldest comes first; the token leads to older ones. */
  get(
    actor: Actor,
    within: Within,
    threadId: string,
    page: PageRequest,
  ): Promise<{ readonly thread: ThreadItem; readonly messages: Page<Message> }>
  attachment(actor: Actor, within: Within, threadId: string, attachmentId: string): Promise<Attachment & Download>
  /** Changes every message of it that the actor may see. @throws thread_too_large, system_label */
  changeLabels(
    actor: Actor,
    within: Within,
    threadId: string,
    change: LabelChange,
  ): Promise<{ readonly threadId: string; readonly labels: readonly string[] }>
  /** With all its messages, for good. */
  delete(actor: Actor, within: Within, threadId: string): Promise<void>
}
