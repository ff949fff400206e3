/** An inbox. Its id is its address (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { Inbox as InboxView } from '../../../../../mail/inboxes/inbox.ts'
import { mapOf, pageHead, pageOf, Time, time, type Wire } from './shape-wire.ts'

function limit(description: string) {
  return Type.Integer({ description: `Added by Martlet. ${description}` })
}

export const Inbox = Type.Object({
  organization_id: Type.String(),
  pod_id: Type.String(),
  inbox_id: Type.String({ description: 'The address in lower case.' }),
  email: Type.String({ description: 'The address, as in `inbox_id`.' }),
  display_name: Type.Optional(Type.String()),
  client_id: Type.Optional(Type.String()),
  metadata: Type.Optional(mapOf(Type.Union([Type.String(), Type.Number(), Type.Boolean()]))),
  status: Type.Optional(Type.Enum(['paused'], { description: 'Present only if the inbox is paused.' })),
  quota_bytes: Type.Optional(limit('Bytes of its mail. Absent: the setting applies; 0: no limit.')),
  quota_messages: Type.Optional(limit('Its messages. Absent: the setting applies; 0: no limit.')),
  retention_days: Type.Optional(limit('Its messages are deleted after that. Absent: the setting applies; 0: never.')),
  updated_at: Time,
  created_at: Time,
})

export function inbox(view: InboxView): Wire<typeof Inbox> {
  return {
    organization_id: view.organizationId,
    pod_id: view.podId,
    inbox_id: view.address,
    email: view.address,
    display_name: view.displayName,
    client_id: view.clientId,
    metadata: view.metadata,
    status: view.status === 'active' ? undefined : 'paused', // an inbox that only receives has no name here
    quota_bytes: view.limits?.quotaBytes ?? undefined,
    quota_messages: view.limits?.quotaMessages ?? undefined,
    retention_days: view.limits?.retentionDays ?? undefined,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export const InboxList = pageOf({ inboxes: Type.Array(Inbox) })

export function inboxList(page: Page<InboxView>): Wire<typeof InboxList> {
  return { ...pageHead(page), inboxes: page.items.map(inbox) }
}
