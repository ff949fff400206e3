/**
 * Tests the order of the members of a whole message in each dialect. JSON has none (RFC 8259 §1), but people read responses, and
 * a change of how objects are built must not change their bytes.
 */
import { expect, test } from 'vitest'
import * as agentMail from '../../src/edges/http/dialects/agentmail/wire/message-wire.ts'
import * as agentPost from '../../src/edges/http/dialects/agentpost/wire/agentpost-message-wire.ts'
import * as assmbl from '../../src/edges/http/dialects/assmbl/wire/assmbl-message-wire.ts'
import * as inboxai from '../../src/edges/http/dialects/inboxai/wire/inboxai-message-wire.ts'
import { createSenderTrust } from '../../src/mail/messages/sender-trust.ts'
import type { Message } from '../../src/mail/messages/views/message.ts'
import * as view from './agentmail/sample-views.ts'

const uuid = (digit: number) => `${digit}0000000-0000-7000-8000-000000000000`

/** With every member that a message can have. */
const message: Required<Message> = {
  ...view.message,
  ...{ id: uuid(1), podId: uuid(2), inboxId: uuid(3), threadId: uuid(4), envelopeSender: 'ann@example.test' },
  ...{ from: view.message.from!, subject: 'hello', preview: 'grüße', inReplyTo: '<before@example.test>' },
  attachments: [{ ...view.attachment, id: uuid(5) }],
  bcc: [{ address: 'cy@example.test' }],
  ...{
    text: 'new\n\n> old',
    html: '<p>new</p>',
    textFromHtml: 'new',
    extractedText: 'new',
    extractedHtml: '<p>new</p>',
  },
  isTruncated: true,
  spam: { checker: 'built-in', isSpam: false, score: 0, threshold: 5, reasons: [] },
  ...{ verifiedDomain: 'example.test', verifiedSender: 'ann@example.test' },
}

const ofAgentMail = [
  ...['inbox_id', 'thread_id', 'message_id', 'labels', 'timestamp', 'from', 'to', 'cc', 'bcc', 'subject', 'preview'],
  ...['attachments', 'in_reply_to', 'references', 'size', 'updated_at', 'created_at'],
  ...['reply_to', 'text', 'html', 'text_from_html', 'extracted_text', 'extracted_html', 'headers', 'truncated'],
  ...['codes', 'links', 'authentication', 'spam', 'verified_domain', 'verified_sender'],
]

test.each<[string, object, readonly string[]]>([
  ['AgentMail', agentMail.message(message), ofAgentMail],
  ['inboxai', inboxai.message(message), [...ofAgentMail, 'header_message_id']],
  [
    'AgentPost',
    agentPost.message(message),
    [
      ...['id', 'inbox_id', 'environment_id', 'thread_id', 'direction', 'subject', 'from_address', 'to_addresses'],
      ...['cc_addresses', 'bcc_addresses', 'preview', 'labels', 'has_attachments', 'attachments', 'header_message_id'],
      ...['created_at', 'updated_at', 'text_body', 'html_body', 'extracted_text'],
    ],
  ],
  [
    'Assmbl',
    assmbl.wholeMessage(
      { message, source: Buffer.from('x'), token: 't', expiresAt: 0 },
      createSenderTrust({ isOn: true }),
      'https://h/raw',
    ),
    [
      ...['MessageID', 'InternetMessageID', 'ThreadID', 'AgentID', 'Sender', 'SenderVerified', 'From', 'To', 'Cc'],
      ...['Subject', 'Preview', 'ReceivedAt', 'IsRead', 'Archived', 'Labels', 'Attachments', 'SizeBytes'],
      ...['CorrelationID', 'IdempotencyKey', 'body_text', 'body_html', 'raw_mime', 'raw_mime_encoding', 'raw_mime_url'],
    ],
  ],
])('the members of a whole message of %s are in this order', (_name, shown, expected) => {
  expect(Object.keys(JSON.parse(JSON.stringify(shown)))).toEqual(expected)
})

const { text: _text, extractedText: _extractedText, ...withoutText } = view.message

test.each<[string, Message]>([
  ['with all members', message],
  ['without text', withoutText],
])('a message %s whose texts are JSON already has the same bytes', (_name, whole) => {
  expect(agentMail.messageJson(view.encoded(whole)).toString()).toBe(JSON.stringify(agentMail.message(whole)))
  const withIds = { ...message, ...whole, id: uuid(1), inboxId: uuid(3), threadId: uuid(4) }
  expect(inboxai.messageJson(view.encoded(withIds)).toString()).toBe(JSON.stringify(inboxai.message(withIds)))
})
