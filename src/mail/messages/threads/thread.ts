/** Threads as callers see them, and the operations on them. A thread belongs to one inbox. */
import type { Actor, Within } from '../../access/actor.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'
import type { ThreadSnapshot } from '../../events/log/message-events.ts'
import type { Attachment, Download, LabelChange, MailFilter, Message } from '../views/message.ts'

/** The fields of a thread in a list: those that its events contain, and its organization, pod and inbox. */
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

/** All throw not_found for objects that do not exist or are not in scope, and missing_permission. */
export interface Threads {
  /**
   * Newest first, by the newest message that no class hides (or by the newest of all if every message is hidden).
   * Filters and fields use only messages that the actor may see and has requested, never the thread's other messages.
   */
  list(actor: Actor, within: Within, filter: ThreadFilter, page: PageRequest): Promise<Page<ThreadItem>>
  /** The first page has the newest messages; within a page the oldest is first; the token leads to older ones. */
  get(
    actor: Actor,
    within: Within,
    threadId: string,
    page: PageRequest,
  ): Promise<{ readonly thread: ThreadItem; readonly messages: Page<Message> }>
  attachment(actor: Actor, within: Within, threadId: string, attachmentId: string): Promise<Attachment & Download>
  /** Changes all messages of the thread that the actor may see. @throws thread_too_large, system_label */
  changeLabels(
    actor: Actor,
    within: Within,
    threadId: string,
    change: LabelChange,
  ): Promise<{ readonly threadId: string; readonly labels: readonly string[] }>
  /** Deletes the thread and all its messages permanently. */
  delete(actor: Actor, within: Within, threadId: string): Promise<void>
}
