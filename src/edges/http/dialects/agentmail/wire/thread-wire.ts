/** Threads in lists, and with a page of their messages (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { ThreadItem as ThreadItemView } from '../../../../../mail/messages/threads/thread.ts'
import type { Message as MessageView } from '../../../../../mail/messages/views/message.ts'
import { Attachment, attachment } from './attachment-wire.ts'
import { Message, message } from './message-wire.ts'
import { named, namedPage, nonEmpty, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const itemMembers = {
  inbox_id: Type.String(),
  thread_id: Type.String(),
  labels: Type.Array(Type.String(), { description: 'Labels of all its messages.' }),
  timestamp: Time,
  received_timestamp: Type.Optional(Time),
  sent_timestamp: Type.Optional(Time),
  senders: Type.Array(Type.String()),
  recipients: Type.Array(Type.String()),
  subject: Type.Optional(Type.String()),
  preview: Type.Optional(Type.String()),
  attachments: Type.Optional(Type.Array(Attachment)),
  last_message_id: Type.String(),
  message_count: Type.Integer(),
  size: Type.Integer(),
  updated_at: Time,
  created_at: Time,
  participants: Type.Array(Type.String(), { description: 'Senders and recipients, for older clients.' }),
  last_message_at: Type.Unsafe<string>({ ...Time, description: 'As `timestamp`, for older clients.' }),
}

export const ThreadItem = named('ThreadItem', itemMembers)

/** @param view a thread, or the data of a thread in an event of the log */
export function threadItem(
  view: Omit<ThreadItemView, 'organizationId' | 'podId' | 'inboxId'>,
): Wire<typeof ThreadItem> {
  return {
    inbox_id: view.inboxAddress,
    thread_id: view.id,
    labels: view.labels,
    timestamp: time(view.timestamp),
    received_timestamp: optionalTime(view.receivedTimestamp),
    sent_timestamp: optionalTime(view.sentTimestamp),
    senders: view.senders,
    recipients: view.recipients,
    subject: view.subject,
    preview: view.preview,
    attachments: nonEmpty(view.attachments.map(attachment)),
    last_message_id: view.lastMessageId,
    message_count: view.messageCount,
    size: view.sizeBytes,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
    participants: [...new Set([...view.senders, ...view.recipients])],
    last_message_at: time(view.timestamp),
  }
}

/** A thread with a page of messages. The first page has the newest messages; inside a page, the oldest is first. */
export const Thread = namedPage('Thread', { ...itemMembers, messages: Type.Array(Message) })

export function thread(view: {
  readonly thread: ThreadItemView
  readonly messages: Page<MessageView>
}): Wire<typeof Thread> {
  return { ...threadItem(view.thread), ...pageHead(view.messages), messages: view.messages.items.map(message) }
}

export const ThreadList = namedPage('ListThreadsResponse', { threads: Type.Array(ThreadItem) })

export function threadList(page: Page<ThreadItemView>): Wire<typeof ThreadList> {
  return { ...pageHead(page), threads: page.items.map(threadItem) }
}

export const ThreadLabels = named('UpdateThreadResponse', {
  thread_id: Type.String(),
  labels: Type.Array(Type.String()),
})

export function threadLabels(changed: {
  readonly threadId: string
  readonly labels: readonly string[]
}): Wire<typeof ThreadLabels> {
  return { thread_id: changed.threadId, labels: changed.labels }
}
