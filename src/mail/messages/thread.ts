/** Threads as they may be shown, and the calls on them. A thread lives in one inbox. */
import type { Actor, Within } from '../access/actor.ts'
import type { Page, PageRequest } from '../access/paging.ts'
import type { HiddenLabel } from '../access/permissions.ts'
import type { Attachment, Download, LabelChange, Message } from './message.ts'

export interface ThreadItem {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly inboxAddress: string
  /** Union over its messages. */
  readonly labels: readonly string[]
  /** Of its newest message. */
  readonly timestamp: number
  readonly receivedTimestamp?: number
  readonly sentTimestamp?: number
  /** "Name <address>" or the address. */
  readonly senders: readonly string[]
  readonly recipients: readonly string[]
  readonly subject?: string
  readonly preview?: string
  readonly attachments: readonly Attachment[]
  /** messageId of its newest message. */
  readonly lastMessageId: string
  readonly messageCount: number
  readonly sizeBytes: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface ThreadFilter {
  readonly labels?: readonly string[] | undefined
  readonly before?: number | undefined
  readonly after?: number | undefined
  readonly include?: readonly HiddenLabel[] | undefined
  readonly senders?: readonly string[] | undefined
  readonly recipients?: readonly string[] | undefined
  readonly subject?: readonly string[] | undefined
}

/** All throw not_found for what is not there or not in scope, and missing_permission. */
export interface Threads {
  /** Newest first. */
  list(actor: Actor, within: Within, filter: ThreadFilter, page: PageRequest): Promise<Page<ThreadItem>>
  /** The first page holds the newest messages; inside a page the oldest comes first; the token leads to older ones. */
  get(
    actor: Actor,
    within: Within,
    threadId: string,
    page: PageRequest,
  ): Promise<{ readonly thread: ThreadItem; readonly messages: Page<Message> }>
  attachment(actor: Actor, within: Within, threadId: string, attachmentId: string): Promise<Attachment & Download>
  /** Changes every message of it. @throws thread_too_large, system_label */
  changeLabels(
    actor: Actor,
    within: Within,
    threadId: string,
    change: LabelChange,
  ): Promise<{ readonly threadId: string; readonly labels: readonly string[] }>
  /** With all its messages, for good. */
  delete(actor: Actor, within: Within, threadId: string): Promise<void>
}
