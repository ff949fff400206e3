/** Messages, threads and what was sent: AgentMail's, with the ids of this dialect (docs/compatibility/inboxai.md). */
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { ThreadItem } from '../../../../../mail/messages/threads/thread.ts'
import type { EncodedMessage, Message, MessageItem } from '../../../../../mail/messages/views/message.ts'
import type { Sent } from '../../../../../mail/sending/compose/outgoing.ts'
import * as agentMail from '../../agentmail/wire/message-wire.ts'
import { sentReply } from '../../agentmail/wire/outgoing-wire.ts'
import { pageHead } from '../../agentmail/wire/shape-wire.ts'
import * as agentMailThread from '../../agentmail/wire/thread-wire.ts'
import { shownInboxId, shownMessageId, shownThreadId } from '../inboxai-ids.ts'

export function messageItem(view: MessageItem) {
  return Object.assign(agentMail.messageItem(view), idsOf(view), headerId(view))
}

export function message(view: Message) {
  return Object.assign(agentMail.message(view), idsOf(view), headerId(view))
}

/** Returns the JSON of a message. */
export function messageJson(view: EncodedMessage): Buffer {
  const before = Object.assign(agentMail.beforeTexts(view), idsOf(view))
  return agentMail.joinTexts(before, view.texts, Object.assign(agentMail.afterTexts(view), headerId(view)))
}

function idsOf(view: MessageItem) {
  return {
    inbox_id: shownInboxId(view.inboxId),
    thread_id: shownThreadId(view.threadId),
    message_id: shownMessageId(view.id),
  }
}

function headerId(view: MessageItem) {
  return { header_message_id: view.messageId }
}

export function messageList(page: Page<MessageItem>) {
  return { ...pageHead(page), messages: page.items.map(messageItem) }
}

/** `last_message_id` is a Message-ID, which finds the message as its id does. */
export function threadItem(view: ThreadItem) {
  return Object.assign(agentMailThread.threadItem(view), {
    inbox_id: shownInboxId(view.inboxId),
    thread_id: shownThreadId(view.id),
  })
}

export function thread({ thread, messages }: { readonly thread: ThreadItem; readonly messages: Page<Message> }) {
  return { ...threadItem(thread), ...pageHead(messages), messages: messages.items.map(message) }
}

export function threadList(page: Page<ThreadItem>) {
  return { ...pageHead(page), threads: page.items.map(threadItem) }
}

export function sentMessage(sent: Sent) {
  return { ...sentReply(sent), message_id: shownMessageId(sent.id), thread_id: shownThreadId(sent.threadId) }
}
