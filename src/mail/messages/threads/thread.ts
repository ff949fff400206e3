/** Threads as callers see them, and the filter of a list. A thread belongs to one inbox. */
import type { ThreadSnapshot } from '../../events/log/message-events.ts'
import type { MailFilter } from '../views/message.ts'

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
