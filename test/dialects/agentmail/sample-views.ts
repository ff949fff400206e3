/** A message, a thread and events as the core returns them, with every optional member set. */
import type { Event } from '../../../src/mail/events/log/event.ts'
import type { ThreadItem } from '../../../src/mail/messages/threads/thread.ts'
import type { EncodedMessage, Message } from '../../../src/mail/messages/views/message.ts'

export const AT = Date.UTC(2026, 10, 21, 10, 30, 0, 7)

export const attachment = {
  id: 'att-1',
  filename: 'plan.pdf',
  contentType: 'application/pdf',
  disposition: 'attachment',
  contentId: 'plan@example.test',
  sizeBytes: 1234,
} as const

export const message: Message = {
  id: 'row-1',
  organizationId: 'org-1',
  podId: 'pod-1',
  inboxId: 'inbox-row-1',
  inboxAddress: 'ada@mail.localhost',
  threadId: 'thread-1',
  messageId: '<a/b+c@example.test>',
  labels: ['received', 'unread'],
  timestamp: AT,
  from: { name: 'Ann', address: 'ann@example.test' },
  replyTo: [{ address: 'desk@example.test' }],
  to: [{ address: 'ada@mail.localhost' }],
  cc: [{ name: 'Bo, Jr.', address: 'bo@example.test' }],
  bcc: [],
  subject: 'hello',
  preview: 'grüße',
  attachments: [attachment],
  inReplyTo: '<before@example.test>',
  references: ['<first@example.test>', '<before@example.test>'],
  sizeBytes: 4321,
  authentication: { result: 'unverified' },
  createdAt: AT,
  updatedAt: AT + 1,
  text: 'grüße\n\n> old',
  html: '<p>grüße</p>',
  extractedText: 'grüße',
  extractedHtml: '<p>grüße</p>',
  codes: [{ code: '940627', context: 'Your code is 940627', confidence: 0.97 }],
  links: [{ url: 'https://a.test/verify?token=x1', context: 'Verify', confidence: 0.9 }],
  headers: [
    ['Received', 'from a'],
    ['Subject', 'hello'],
    ['received', 'from b'],
  ],
}

/** Returns a message as the core returns it for a response in JSON. */
export function encoded(whole: Message): EncodedMessage {
  const { text, html, textFromHtml, extractedText, extractedHtml, ...others } = whole
  const json = (value: string | undefined) => (value === undefined ? undefined : Buffer.from(JSON.stringify(value)))
  return {
    ...others,
    texts: {
      text: json(text),
      html: json(html),
      textFromHtml: json(textFromHtml),
      extractedText: json(extractedText),
      extractedHtml: json(extractedHtml),
    },
  }
}

export const thread: ThreadItem = {
  id: 'thread-1',
  organizationId: 'org-1',
  podId: 'pod-1',
  inboxId: 'inbox-row-1',
  inboxAddress: 'ada@mail.localhost',
  labels: ['received', 'unread'],
  timestamp: AT,
  receivedTimestamp: AT,
  senders: ['Ann <ann@example.test>'],
  recipients: ['ada@mail.localhost'],
  subject: 'hello',
  preview: 'grüße',
  attachments: [attachment],
  lastMessageId: '<a/b+c@example.test>',
  messageCount: 1,
  sizeBytes: 4321,
  createdAt: AT,
  updatedAt: AT,
}

export const reference = {
  inboxAddress: 'ada@mail.localhost',
  threadId: 'thread-1',
  apiMessageId: '<a/b+c@example.test>',
}

/** Builds an event of the log, with seq 1 by default. */
export function event(type: string, payload: Record<string, unknown>, seq = 1): Event {
  return {
    seq,
    cursor: `cursor-${seq}`,
    eventId: `${seq}`,
    at: AT,
    type,
    organizationId: 'org-1',
    podId: 'pod-1',
    inboxId: 'inbox-row-1',
    messageId: 'row-1',
    payload,
  }
}

const { organizationId: _o, podId: _p, inboxId: _i, inboxAddress: _a, ...snapshot } = thread

export function receivedEvent(seq = 1): Event {
  return event('message.received', { ...reference, labels: message.labels, thread: snapshot }, seq)
}
