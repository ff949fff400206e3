/** Drafts, and the bodies that create, change and send them (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { LabelChange } from '../../../../../mail/messages/labels/label-rules.ts'
import {
  type DraftChange,
  type DraftItem as DraftItemView,
  type DraftOutline,
  type Draft as DraftView,
  isWhole,
  type NewDraft,
} from '../../../../../mail/sending/drafts/draft.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { Attachment } from './attachment-wire.ts'
import { LabelsBody, readLabelChange } from './labels-wire.ts'
import { addresses, formatAddresses, mailMembers } from './message-wire.ts'
import { readAttachment, SendAttachment } from './outgoing-attachment-wire.ts'
import {
  misnamed,
  RecipientList,
  readContents,
  readList,
  readRecipients,
  refuseTracking,
  TrackOpens,
} from './outgoing-wire.ts'
import { clientId, label, timeText } from './request-texts.ts'
import { named, namedPage, nonEmpty, nullable, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const itemMembers = {
  inbox_id: Type.String(),
  draft_id: Type.String(),
  labels: Type.Array(Type.String()),
  to: Type.Optional(addresses),
  cc: Type.Optional(addresses),
  bcc: Type.Optional(addresses),
  subject: Type.Optional(Type.String()),
  preview: Type.Optional(Type.String()),
  attachments: Type.Optional(Type.Array(Attachment)),
  in_reply_to: Type.Optional(Type.String({ description: 'The message that it answers.' })),
  forward_of: Type.Optional(Type.String({ description: 'The message that it forwards.' })),
  send_status: Type.Optional(Type.Enum(['scheduled', 'sending', 'failed'])),
  send_at: Type.Optional(Time),
  send_error: Type.Optional(Type.String({ isOurs: true, description: 'Why it could not be sent at `send_at`.' })),
  updated_at: Time,
}

const DraftItem = named('DraftItem', itemMembers)

export const Draft = named('Draft', {
  ...itemMembers,
  client_id: Type.Optional(Type.String()),
  reply_to: Type.Optional(addresses),
  text: Type.Optional(Type.String()),
  html: Type.Optional(Type.String()),
  references: Type.Optional(Type.Array(Type.String())),
  created_at: Time,
})

export const DraftList = namedPage('ListDraftsResponse', { drafts: Type.Array(DraftItem) })

const Label = Type.String({ rule: label })
const Text = Type.String({ contentMediaType: 'text/plain' })
const Html = Type.String({ contentMediaType: 'text/html' })
const SendAt = timeText('ISO 8601. The draft is sent then; a time in the past means now.')

/** null and an absent member mean the same when a draft is created; when it is changed, null clears. */
const contentMembers = {
  reply_to: nullable(RecipientList),
  to: nullable(RecipientList),
  cc: nullable(RecipientList),
  bcc: nullable(RecipientList),
  subject: nullable(Type.String()),
  text: nullable(Text),
  html: nullable(Html),
  send_at: nullable(SendAt),
  track_opens: nullable(TrackOpens),
}

export const CreateDraftBody = named(
  'CreateDraftRequest',
  {
    ...contentMembers,
    labels: nullable(Type.Array(Label)),
    attachments: nullable(Type.Array(SendAttachment)),
    in_reply_to: nullable(Type.String({ description: 'Id of the message to answer.' })),
    forward_of: nullable(Type.String({ description: 'Id of the message to forward.' })),
    reply_all: nullable(Type.Boolean()),
    client_id: nullable(Type.String({ rule: clientId })),
  },
  { misnamed },
)

export const UpdateDraftBody = named(
  'UpdateDraftRequest',
  {
    ...contentMembers,
    add_attachments: nullable(Type.Array(SendAttachment)),
    remove_attachments: nullable(Type.Union([Type.String(), Type.Array(Type.String())], { description: 'Ids.' })),
    add_labels: nullable(Type.Union([Label, Type.Array(Label)])),
    remove_labels: nullable(Type.Union([Label, Type.Array(Label)])),
  },
  { misnamed },
)

const CHANGE_FIRST = 'the draft is sent as it is. Change it with PATCH /v0/inboxes/{inbox_id}/drafts/{draft_id}'
const changes = [
  'send_at',
  'to',
  'cc',
  'bcc',
  'reply_to',
  'subject',
  'text',
  'html',
  'body',
  'content',
  'message',
  'txt',
]
const attachmentChanges = ['attachments', 'add_attachments', 'remove_attachments']
const misnamedInSend = Object.fromEntries([...changes, ...attachmentChanges].map((name) => [name, CHANGE_FIRST]))

export const SendDraftBody = named(
  'SendDraftRequest',
  {
    ...LabelsBody.properties,
    track_opens: Type.Optional(TrackOpens),
    hold: Type.Optional(
      Type.Boolean({ isRefused: true, description: 'Must be false: a draft waits until it is sent.' }),
    ),
  },
  { misnamed: misnamedInSend },
)

export function draftItem(view: DraftItemView): Wire<typeof DraftItem> {
  return {
    inbox_id: view.inboxAddress,
    draft_id: view.id,
    labels: view.labels,
    to: nonEmpty(formatAddresses(view.to)),
    ...mailMembers(view),
    forward_of: view.forwardOf,
    send_status: view.sendStatus,
    send_at: optionalTime(view.sendAt),
    send_error: view.sendError,
    updated_at: time(view.updatedAt),
  }
}

export function draft(view: DraftView | DraftOutline): Wire<typeof Draft> {
  if (!isWhole(view)) return outline(view)
  return {
    ...draftItem(view),
    client_id: view.clientId,
    reply_to: nonEmpty(formatAddresses(view.replyTo)),
    text: view.text,
    html: view.html,
    references: nonEmpty(view.references),
    created_at: time(view.createdAt),
  }
}

function outline(view: DraftOutline): Wire<typeof Draft> {
  return {
    inbox_id: view.inboxAddress,
    draft_id: view.id,
    labels: view.labels,
    send_status: view.sendStatus,
    send_at: optionalTime(view.sendAt),
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export function draftList(page: Page<DraftItemView>): Wire<typeof DraftList> {
  return { ...pageHead(page), drafts: page.items.map(draftItem) }
}

/** @throws validation_error, not_implemented */
export function readNewDraft(body: Static<typeof CreateDraftBody>): NewDraft {
  return {
    ...readContents(body),
    subject: body.subject ?? undefined,
    inReplyTo: body.in_reply_to ?? undefined,
    forwardOf: body.forward_of ?? undefined,
    toAll: body.reply_all ?? undefined,
    sendAt: readTime('send_at', body.send_at ?? undefined),
    clientId: body.client_id ?? undefined,
  }
}

/** @throws validation_error, not_implemented */
export function readDraftChange(body: Static<typeof UpdateDraftBody>): DraftChange {
  refuseTracking(body)
  return {
    to: body.to === null ? null : readRecipients(body.to),
    cc: body.cc === null ? null : readRecipients(body.cc),
    bcc: body.bcc === null ? null : readRecipients(body.bcc),
    replyTo: body.reply_to === null ? null : readRecipients(body.reply_to),
    subject: body.subject,
    text: body.text,
    html: body.html,
    addAttachments: body.add_attachments?.map((each, index) => readAttachment(each, index, 'add_attachments')),
    removeAttachments: readList(body.remove_attachments ?? undefined),
    addLabels: readList(body.add_labels ?? undefined),
    removeLabels: readList(body.remove_labels ?? undefined),
    sendAt: body.send_at === null ? null : readTime('send_at', body.send_at),
  }
}

/** @throws not_implemented */
export function readSendDraft(body: Static<typeof SendDraftBody> | undefined): LabelChange {
  refuseTracking(body ?? {})
  return readLabelChange(body ?? {})
}
