/** Messages in lists, and with their bodies (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import { type Address, formatAddress } from '../../../../../formats/address/address.ts'
import type { Verification } from '../../../../../formats/verification/verification.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type {
  EncodedMessage,
  MessageItem as MessageItemView,
  Message as MessageView,
} from '../../../../../mail/messages/views/message.ts'
import { Attachment, attachment } from './attachment-wire.ts'
import { Authentication, authentication } from './authentication-wire.ts'
import { mapOf, named, namedPage, nonEmpty, pageHead, Time, time, type Wire } from './shape-wire.ts'
import { Spam, spam } from './spam-wire.ts'

export const addresses = Type.Array(Type.String({ description: '`Name <address>` or the address.' }))

const itemMembers = {
  inbox_id: Type.String(),
  thread_id: Type.String(),
  message_id: Type.String({ description: 'With angle brackets; unique in its inbox.' }),
  labels: Type.Array(Type.String()),
  timestamp: Time,
  from: Type.String({ description: '`Name <address>` or the address; empty if the message has no valid From.' }),
  to: addresses,
  cc: Type.Optional(addresses),
  bcc: Type.Optional(addresses),
  subject: Type.Optional(Type.String()),
  preview: Type.Optional(Type.String()),
  attachments: Type.Optional(Type.Array(Attachment)),
  in_reply_to: Type.Optional(Type.String()),
  references: Type.Optional(Type.Array(Type.String())),
  size: Type.Integer({ description: 'Size of the raw message in bytes.' }),
  updated_at: Time,
  created_at: Time,
}

export const MessageItem = named('MessageItem', itemMembers)

const findingMembers = {
  context: Type.String({ description: 'The surrounding text.' }),
  confidence: Type.Number({ description: '0.5 to 1. Findings with a lower confidence are not returned.' }),
}

export const Message = named('Message', {
  ...itemMembers,
  reply_to: Type.Optional(addresses),
  text: Type.Optional(Type.String()),
  html: Type.Optional(Type.String()),
  text_from_html: Type.Optional(
    Type.String({ isOurs: true, description: 'The text in the HTML of a message that has no text.' }),
  ),
  extracted_text: Type.Optional(Type.String({ description: 'New content, without quotes and signature.' })),
  extracted_html: Type.Optional(Type.String()),
  headers: Type.Optional(mapOf(Type.String())),
  truncated: Type.Optional(
    Type.Literal(true, {
      isOurs: true,
      description: 'The message exceeds a limit of the parser, so texts, headers or attachments are incomplete.',
    }),
  ),
  /** Added by Martlet: one-time codes and verification links in the message. */
  codes: Type.Array(Type.Object({ code: Type.String(), ...findingMembers }), {
    isOurs: true,
    description: 'One-time codes in the message, highest confidence first.',
  }),
  links: Type.Array(Type.Object({ url: Type.String(), ...findingMembers }), {
    isOurs: true,
    description: 'Links that verify an address, sign in or confirm, highest confidence first.',
  }),
  authentication: Authentication,
  spam: Type.Optional(Spam),
  verified_domain: Type.Optional(
    Type.String({
      isOurs: true,
      description:
        'The domain of From, if the sender was authenticated for it. Without it, anyone may have written the message.',
    }),
  ),
  verified_sender: Type.Optional(
    Type.String({
      isOurs: true,
      description:
        'The address in From, if it has answered a challenge of this inbox, and the message came from where the challenged one came from. Less than a verified domain.',
    }),
  ),
})

/** Returns the members that a message and a draft share. */
export function mailMembers(
  view: Pick<MessageItemView, 'cc' | 'bcc' | 'subject' | 'preview' | 'attachments' | 'inReplyTo'>,
) {
  return {
    cc: nonEmpty(formatAddresses(view.cc)),
    bcc: nonEmpty(formatAddresses(view.bcc)),
    subject: view.subject,
    preview: view.preview,
    attachments: nonEmpty(view.attachments.map(attachment)),
    in_reply_to: view.inReplyTo,
  }
}

export function messageItem(view: MessageItemView): Wire<typeof MessageItem> {
  return {
    inbox_id: view.inboxAddress,
    thread_id: view.threadId,
    message_id: view.messageId,
    labels: view.labels,
    timestamp: time(view.timestamp),
    from: view.from ? formatAddress(view.from) : '', // clients require it
    to: formatAddresses(view.to),
    ...mailMembers(view),
    references: nonEmpty(view.references),
    size: view.sizeBytes,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export function message(view: MessageView): Wire<typeof Message> {
  // Not { ...messageItem(view), … }: V8 makes a new hidden class for each member that follows a spread, in every call. That took
  // 50 us, a tenth of the request.
  return Object.assign(
    beforeTexts(view),
    {
      text: view.text,
      html: view.html,
      text_from_html: view.textFromHtml,
      extracted_text: view.extractedText,
      extracted_html: view.extractedHtml,
    },
    afterTexts(view),
  )
}

/** Returns the JSON of a message. */
export function messageJson(view: EncodedMessage): Buffer {
  return joinTexts(beforeTexts(view), view.texts, afterTexts(view))
}

/** Returns the members of a message that precede its texts. */
export function beforeTexts(view: MessageItemView) {
  return Object.assign(messageItem(view), { reply_to: nonEmpty(formatAddresses(view.replyTo)) })
}

/** Returns those that follow its texts. */
export function afterTexts(view: MessageItemView & Verification & Pick<MessageView, 'headers' | 'isTruncated'>) {
  return {
    headers: headerMap(view.headers),
    truncated: view.isTruncated,
    codes: view.codes.map(({ code, context, confidence }) => ({ code, context, confidence })),
    links: view.links.map(({ url, context, confidence }) => ({ url, context, confidence })),
    authentication: authentication(view.authentication),
    spam: view.spam && spam(view.spam),
    verified_domain: view.verifiedDomain,
    verified_sender: view.verifiedSender,
  }
}

/** Returns the JSON of a message with these texts. */
export function joinTexts(before: object, texts: EncodedMessage['texts'], after: object): Buffer {
  const pieces: Buffer[] = [Buffer.from(JSON.stringify(before).slice(0, -1))]
  for (const [name, text] of [
    ['text', texts.text],
    ['html', texts.html],
    ['text_from_html', texts.textFromHtml],
    ['extracted_text', texts.extractedText],
    ['extracted_html', texts.extractedHtml],
  ] as const) {
    if (text) pieces.push(Buffer.from(`,"${name}":`), text)
  }
  pieces.push(Buffer.from(`,${JSON.stringify(after).slice(1)}`))
  return Buffer.concat(pieces)
}

export const MessageList = namedPage('ListMessagesResponse', { messages: Type.Array(MessageItem) })

export function messageList(page: Page<MessageItemView>): Wire<typeof MessageList> {
  return { ...pageHead(page), messages: page.items.map(messageItem) }
}

/** Like a page, but its `limit` is the number of messages that were requested. */
export const MessageBatch = named('BatchGetMessagesResponse', {
  limit: Type.Integer({ description: 'Messages that were requested.' }),
  count: Type.Integer({ description: 'Messages that were found.' }),
  messages: Type.Array(MessageItem),
})

export function messageBatch(limit: number, found: readonly MessageItemView[]): Wire<typeof MessageBatch> {
  return { limit, count: found.length, messages: found.map(messageItem) }
}

export const AwaitedMessage = named('AwaitedMessage', {
  message: Type.Union([Message, Type.Null()], { description: 'null if no message matched in time.' }),
  cursor: Type.String({ description: 'Send it as `after` to wait for the next message.' }),
})

export function awaitedMessage(answer: {
  readonly message?: MessageView
  readonly cursor: string
}): Wire<typeof AwaitedMessage> {
  return { message: answer.message ? message(answer.message) : null, cursor: answer.cursor }
}

export const MessageLabels = named('UpdateMessageResponse', {
  message_id: Type.String(),
  labels: Type.Array(Type.String()),
})

export function messageLabels(changed: {
  readonly messageId: string
  readonly labels: readonly string[]
}): Wire<typeof MessageLabels> {
  return { message_id: changed.messageId, labels: changed.labels }
}

export const MessageLabelsBatch = named('BatchUpdateMessagesResponse', {
  limit: Type.Integer({ description: 'Messages that were requested.' }),
  count: Type.Integer({ description: 'Messages that were found.' }),
  updates: Type.Array(MessageLabels),
})

export function messageLabelsBatch(
  limit: number,
  changed: readonly Parameters<typeof messageLabels>[0][],
): Wire<typeof MessageLabelsBatch> {
  return { limit, count: changed.length, updates: changed.map(messageLabels) }
}

export function formatAddresses(list: readonly Address[]): string[] {
  return list.map(formatAddress)
}

/**
 * Returns one text per name, spelled as in its first field; the values of a repeated field (Received) are on separate
 * lines.
 */
function headerMap(fields: readonly (readonly [name: string, value: string])[]): Record<string, string> {
  const byName = new Map<string, { name: string; value: string }>()
  for (const [name, value] of fields) {
    const known = byName.get(name.toLowerCase())
    if (known) known.value += `\n${value}`
    else byName.set(name.toLowerCase(), { name, value })
  }
  return Object.fromEntries([...byName.values()].map(({ name, value }) => [name, value]))
}
