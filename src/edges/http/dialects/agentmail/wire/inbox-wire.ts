/** An inbox. Its id is its address (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { InboxChange, Inbox as InboxView, NewInbox } from '../../../../../mail/inboxes/inbox.ts'
import {
  clientId as clientIdRule,
  displayName as displayNameRule,
  domainName,
  username as usernameRule,
} from './request-texts.ts'
import { mapOf, named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

function limit(description: string) {
  return Type.Integer({ isOurs: true, description })
}

export const Inbox = named('Inbox', {
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
  challenge_senders: Type.Optional(
    Type.Boolean({
      isOurs: true,
      description: 'Senders whom no domain confirms are asked to. Absent: the setting applies.',
    }),
  ),
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
    challenge_senders: view.challengesSenders,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export const InboxList = namedPage('ListInboxesResponse', { inboxes: Type.Array(Inbox) })

export function inboxList(page: Page<InboxView>): Wire<typeof InboxList> {
  return { ...pageHead(page), inboxes: page.items.map(inbox) }
}

const status = Type.Optional(
  Type.Enum(['active', 'paused'], { description: 'A paused inbox sends nothing, and mail for it is not accepted.' }),
)
const metadataText = ({ messages }: Limits) => ({ maxLength: messages.metadataCharsMax })
const metadataValue = Type.Union([Type.String({ rule: metadataText }), Type.Number(), Type.Boolean()])
const metadataSize = ({ messages }: Limits) => ({
  maxProperties: messages.metadataKeysMax,
  propertyNames: { maxLength: messages.metadataCharsMax },
})
const changeSize = (limits: Limits) => ({ ...metadataSize(limits), minProperties: 1 })

/** @param max the largest number that clients in JavaScript and the database can express, or a century */
function settableLimit(description: string, max: number) {
  const settable = Type.Union([Type.Integer({ minimum: 0, maximum: max }), Type.Null()])
  return Type.Optional({
    ...settable,
    isOurs: true,
    description: `${description} 0: no limit. null: the setting applies. Not with a key of the inbox.`,
  })
}

const limitMembers = {
  quota_bytes: settableLimit('Bytes of its mail; then other servers get 452 4.2.2.', Number.MAX_SAFE_INTEGER),
  quota_messages: settableLimit('The same for the number of messages.', Number.MAX_SAFE_INTEGER),
  retention_days: settableLimit('Messages are deleted after so many days. A change needs message_delete.', 36_500),
}

const challengeSenders = Type.Optional(
  Type.Union([Type.Boolean(), Type.Null()], {
    isOurs: true,
    description:
      'Mail a link to senders whom no domain confirms, with which they confirm a message. null: the setting applies.',
  }),
)

interface LimitMembers {
  readonly quota_bytes?: number | null
  readonly quota_messages?: number | null
  readonly retention_days?: number | null
}

function readLimits({ quota_bytes, quota_messages, retention_days }: LimitMembers) {
  const limits = { quotaBytes: quota_bytes, quotaMessages: quota_messages, retentionDays: retention_days }
  return Object.values(limits).some((value) => value !== undefined) ? limits : undefined
}

/** An inbox with one of them would have a random address. */
const misnamed = {
  email: 'write username and domain',
  email_address: 'write username and domain',
  address: 'write username and domain',
}

const createMembers = {
  username: Type.Optional(
    Type.String({
      description:
        'Part before the @, of at most 64 bytes in UTF-8. Default: a random one. Names such as admin need a key of the organization.',
      rule: usernameRule,
    }),
  ),
  domain: Type.Optional(Type.String({ description: "Default: the server's shared domain.", rule: domainName })),
  display_name: Type.Optional(Type.String({ rule: displayNameRule })),
  client_id: Type.Optional(
    Type.String({
      description: 'Another request with the same client_id returns the existing inbox.',
      rule: clientIdRule,
    }),
  ),
  status,
  metadata: Type.Optional(mapOf(metadataValue, { rule: metadataSize })),
  challenge_senders: challengeSenders,
  ...limitMembers,
}

export const CreateInbox = named('CreateInboxRequest', createMembers, { misnamed })

export const UpdateInbox = named('UpdateInboxRequest', {
  display_name: Type.Optional(Type.Union([Type.String({ rule: displayNameRule }), Type.Null()])),
  status,
  metadata: Type.Optional(
    Type.Union([mapOf(Type.Union([metadataValue, Type.Null()]), { rule: changeSize }), Type.Null()], {
      description:
        'Merged into the existing metadata. A null value removes a key; null instead of the object removes all.',
    }),
  ),
  challenge_senders: challengeSenders,
  ...limitMembers,
})

export function readNewInbox(body: Static<typeof CreateInbox>): NewInbox {
  const { username, domain, metadata, status, display_name: displayName, client_id: clientId } = body
  const own = { limits: readLimits(body), challengesSenders: body.challenge_senders }
  return { username, domain, metadata, status, displayName, clientId, ...own }
}

export function readInboxChange(body: Static<typeof UpdateInbox>): InboxChange {
  const { metadata, status, display_name: displayName } = body
  return { displayName, metadata, status, limits: readLimits(body), challengesSenders: body.challenge_senders }
}
