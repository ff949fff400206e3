/** Drafts (docs/compatibility/agentpost.md). */
import { type Static, Type } from 'typebox'
import {
  type Draft,
  type DraftChange,
  type DraftItem,
  type DraftOutline,
  isWhole,
  type NewDraft,
} from '../../../../../mail/sending/drafts/draft.ts'
import { readId, shownAttachmentId, shownId } from '../prefixed-ids.ts'
import { addressObject, Recipients, readRecipients } from './address-wire.ts'
import { mailMembers, misnamed, readAttachmentKey, readMail } from './agentpost-message-wire.ts'
import { time } from './agentpost-shape-wire.ts'

export function draftItem(view: DraftItem) {
  return {
    id: shownId('drf', view.id),
    inbox_id: shownId('inb', view.inboxId),
    thread_id: view.threadId === undefined ? null : shownId('thr', view.threadId),
    in_reply_to: view.sourceId === undefined || view.kind === 'forward' ? null : shownId('msg', view.sourceId),
    subject: view.subject ?? null,
    to_addresses: view.to.map(addressObject),
    cc_addresses: view.cc.map(addressObject),
    bcc_addresses: view.bcc.map(addressObject),
    preview: view.preview ?? null,
    labels: view.labels,
    attachments_meta: view.attachments.map((each) => ({
      id: shownAttachmentId(view.id, each.id),
      filename: each.filename ?? null,
      mime_type: each.contentType,
      size: each.sizeBytes,
    })),
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}

/** Without the content for a key that may not read it, as the response to a send (agentpost-messages.ts). */
export function draft(view: Draft | DraftOutline) {
  if (!isWhole(view)) {
    return {
      id: shownId('drf', view.id),
      inbox_id: shownId('inb', view.inboxId),
      labels: view.labels,
      created_at: time(view.createdAt),
      updated_at: time(view.updatedAt),
    }
  }
  return { ...draftItem(view), text_body: view.text ?? null, html_body: view.html ?? null }
}

export const CreateDraft = Type.Object(
  {
    ...mailMembers,
    labels: Type.Optional(Type.Array(Type.String())),
    in_reply_to: Type.Optional(Type.String()),
    client_id: Type.Optional(Type.String()),
  },
  { misnamed },
)

export function readNewDraft({ in_reply_to, client_id, ...mail }: Static<typeof CreateDraft>): NewDraft {
  const inReplyTo = in_reply_to === undefined ? undefined : readId('msg', in_reply_to)
  return { ...readMail(mail), inReplyTo, clientId: client_id }
}

const RecipientChange = Type.Optional(Type.Union([Recipients, Type.Null()]))
const TextChange = (contentMediaType: string) =>
  Type.Optional(Type.Union([Type.String({ contentMediaType }), Type.Null()]))

/** `attachments` are added; those of the draft are removed by their ids. */
export const UpdateDraft = Type.Object(
  {
    to: RecipientChange,
    cc: RecipientChange,
    bcc: RecipientChange,
    reply_to: RecipientChange,
    subject: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    text_body: TextChange('text/plain'),
    html_body: TextChange('text/html'),
    attachments: mailMembers.attachments,
    remove_attachments: Type.Optional(Type.Array(Type.String())),
  },
  { misnamed },
)

const CHANGE_FIRST = 'the draft is sent as it is. Change it with PATCH /drafts/{draft_id}'
const changes = [
  ...Object.keys(UpdateDraft.properties),
  ...['text', 'html', 'body', 'content', 'message', 'txt', 'to_addresses', 'cc_addresses', 'bcc_addresses'],
]
const misnamedInSend = Object.fromEntries(changes.map((name) => [name, CHANGE_FIRST]))

/** Nothing: a member that is believed to change the draft is refused. */
export const SendDraftBody = Type.Object({}, { misnamed: { ...misnamedInSend, send_at: misnamed.send_at } })

export function readDraftChange(body: Static<typeof UpdateDraft>, removed: readonly string[] | undefined): DraftChange {
  const recipients = (given: Static<typeof UpdateDraft>['to']) => (given === null ? null : readRecipients(given))
  return {
    to: recipients(body.to),
    cc: recipients(body.cc),
    bcc: recipients(body.bcc),
    replyTo: recipients(body.reply_to),
    subject: body.subject,
    text: body.text_body,
    html: body.html_body,
    addAttachments: body.attachments?.map(readAttachmentKey),
    removeAttachments: removed,
  }
}
