/** Inboxes (docs/compatibility/agentpost.md). */
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import { splitAddress } from '../../../../../formats/address/address.ts'
import type { Inbox, InboxChange, NewInbox } from '../../../../../mail/inboxes/inbox.ts'
import { shownId } from '../prefixed-ids.ts'
import { time } from './agentpost-shape-wire.ts'

export function inbox(view: Inbox) {
  const { localPart, domain } = splitAddress(view.address)
  return {
    id: shownId('inb', view.id),
    environment_id: shownId('env', view.podId),
    email: view.address,
    username: localPart,
    domain,
    display_name: view.displayName ?? null,
    client_id: view.clientId ?? null,
    send_paused: view.status !== 'active',
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
  }
}

/** The two documented forms: `{ username, domain?, display_name }` and `{ email, name }`. */
export const CreateInbox = Type.Object({
  username: Type.Optional(Type.String()),
  domain: Type.Optional(Type.String()),
  display_name: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  client_id: Type.Optional(Type.String()),
  environment_id: Type.Optional(Type.String()),
  random_suffix: Type.Optional(Type.Boolean()),
  send_paused: Type.Optional(Type.Boolean()),
})

export function readNewInbox(body: Static<typeof CreateInbox>): NewInbox {
  const email = body.email === undefined ? undefined : readEmail(body.email)
  return {
    username: body.username ?? email?.localPart,
    domain: body.domain ?? email?.domain,
    displayName: body.display_name ?? body.name,
    clientId: body.client_id,
    hasRandomSuffix: body.random_suffix,
    status: body.send_paused ? 'send_paused' : undefined,
  }
}

/** @throws validation_error */
function readEmail(text: string): { localPart: string; domain: string } {
  if (text.includes('@')) return splitAddress(text)
  throw new MailError('validation_error', { detail: 'email must be an address such as a@b.example', path: ['email'] })
}

export const UpdateInbox = Type.Object({
  display_name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  name: Type.Optional(Type.String()),
  send_paused: Type.Optional(Type.Boolean()),
})

export function readInboxChange(body: Static<typeof UpdateInbox>): InboxChange {
  return {
    displayName: body.display_name === undefined ? body.name : body.display_name,
    isSendPaused: body.send_paused,
  }
}
