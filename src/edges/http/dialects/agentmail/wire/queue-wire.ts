/** Recipients in the queue: Martlet's own addition, in this dialect's style. */
import { type Static, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { Changed, OpenRecipient, Selection } from '../../../../../mail/sending/queue/queue.ts'
import { recipientFields, recipientProperties } from './recipient-wire.ts'
import { domainFilter } from './request-texts.ts'
import { named, namedPage, pageHead, type Wire } from './shape-wire.ts'

/** As a filter, `queued` includes the recipients that are being delivered. */
export const WaitingStateName = Type.Enum(['queued', 'held'])
const ShownStateName = Type.Enum(['queued', 'delivering', 'held'])
export const RouteName = Type.Enum(['relay', 'direct'], {
  description: 'Route of these recipients, whatever MARTLET_OUTBOUND says.',
})

const Recipient = named('QueuedRecipient', {
  recipient_id: Type.String(),
  recipient: Type.String(),
  state: ShownStateName,
  kind: Type.Enum(['message', 'bounce', 'delay', 'code', 'notification', 'challenge', 'report'], {
    description: 'Kind of the message. All kinds except `message` are sent by the server itself.',
  }),
  inbox_id: Type.Optional(Type.String()),
  message_id: Type.Optional(Type.String()),
  thread_id: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
  route: Type.Optional(RouteName),
  ...recipientProperties,
})

export const WaitingList = namedPage('ListQueueResponse', { recipients: Type.Array(Recipient) })

export function waitingList(page: Page<OpenRecipient>): Wire<typeof WaitingList> {
  return { ...pageHead(page), recipients: page.items.map(recipient) }
}

function recipient(view: OpenRecipient): Wire<typeof Recipient> {
  return {
    ...recipientFields(view),
    kind: view.kind,
    inbox_id: view.inboxAddress,
    message_id: view.messageId,
    thread_id: view.threadId,
    subject: view.subject,
  }
}

export const SelectionBody = Type.Object({
  recipient_ids: Type.Optional(Type.Array(Type.String())),
  inbox_id: Type.Optional(Type.String({ description: 'Address of the sending inbox.' })),
  message_id: Type.Optional(Type.String({ description: 'Requires inbox_id.' })),
  domain: Type.Optional(Type.String({ description: 'Domain of the recipients.', rule: domainFilter })),
  state: Type.Optional(WaitingStateName),
  all: Type.Optional(Type.Boolean({ description: 'Required if only state is given.' })),
})

export function readSelection(body: Static<typeof SelectionBody>): Selection {
  return {
    ids: body.recipient_ids,
    inbox: body.inbox_id,
    message: body.message_id,
    domain: body.domain,
    state: body.state,
    isAll: body.all,
  }
}

export const QueueChange = named('QueueChange', {
  changed: Type.Integer(),
  busy: Type.Optional(
    Type.Integer({ description: 'Recipients that were not changed, because delivery is in progress.' }),
  ),
  more: Type.Optional(Type.Boolean({ description: 'Whether repeating the request would change more recipients.' })),
})

export function queueChange({ changed, busy, isMore }: Changed): Wire<typeof QueueChange> {
  return { changed, busy: busy === 0 ? undefined : busy, more: isMore || undefined }
}
