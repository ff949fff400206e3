/**
 * Events of drafts: what an agent or a person has written and not sent yet. The modules that change a draft append them, and
 * edges render them.
 *
 * A payload has ids and the state of the schedule, and nothing that its author has written: a draft that is deleted before
 * anyone has seen it must not stay in the log (docs/adr/0085). So it lacks the sentence that says why a draft could not be
 * sent, which may name a recipient. Each event also names revisions, for the mailboxes of IMAP, which follow the log; no
 * client gets these.
 */
import type { NewEvent } from '../../../store/handles.ts'
import type { DraftRow, SendStatus } from '../../../store/schema/draft-rows.ts'
import type { Event } from './event.ts'
import { type EventTypeName, getEventType } from './event-types.ts'

export interface DraftPayload {
  readonly inboxAddress: string
  readonly draftId: string
  /** Absent: it begins a thread. */
  readonly threadId?: string
  readonly clientId?: string
  /** The schedule of a draft after it was created or updated. */
  readonly sendStatus?: SendStatus
  /** Epoch ms. */
  readonly sendAt?: number
  /** The id, as clients see it, of the message that a sent draft became. The message may be held. */
  readonly apiMessageId?: string
  /** The revisions that mailboxes show from now on, or no longer. */
  readonly revisionIds: readonly string[]
}

const types: readonly string[] = [
  'draft.created',
  'draft.updated',
  'draft.deleted',
  'draft.sent',
] satisfies EventTypeName[]

export function isDraftEvent(event: Event): event is Event & { readonly payload: DraftPayload } {
  return isDraftEventType(event.type)
}

export function isDraftEventType(type: string): boolean {
  return types.includes(type)
}

/** The actor's name, as `actorName` returns it, and the draft after the change. */
interface About {
  readonly actor: string
  readonly inboxAddress: string
  readonly draft: DraftRow
}

export function draftCreated(about: About): NewEvent {
  return writtenEvent('draft.created', about, [about.draft.revision_id])
}

/** @param previousRevisionId the current revision before the change */
export function draftUpdated({ previousRevisionId, ...about }: About & { previousRevisionId: string }): NewEvent {
  return writtenEvent('draft.updated', about, [previousRevisionId, about.draft.revision_id])
}

export function draftDeleted(about: About): NewEvent {
  return draftEvent('draft.deleted', about, referenceTo(about, [about.draft.revision_id]))
}

/** It became a message, and is gone. */
export function draftSent({
  message,
  ...about
}: About & { readonly message: { readonly messageId: string; readonly threadId: string } }): NewEvent {
  const { messageId: apiMessageId, threadId } = message
  const reference = referenceTo(about, [about.draft.revision_id])
  return draftEvent('draft.sent', about, { ...reference, threadId, apiMessageId })
}

function writtenEvent(type: EventTypeName, about: About, revisionIds: readonly string[]): NewEvent {
  const { send_status, send_at } = about.draft
  return draftEvent(type, about, {
    ...referenceTo(about, revisionIds),
    ...(send_status !== null && { sendStatus: send_status }),
    ...(send_at !== null && { sendAt: send_at }),
  })
}

function referenceTo({ inboxAddress, draft }: About, revisionIds: readonly string[]): DraftPayload {
  return {
    inboxAddress,
    draftId: draft.id,
    ...(draft.thread_id !== null && { threadId: draft.thread_id }),
    ...(draft.client_id !== null && { clientId: draft.client_id }),
    revisionIds: [...new Set(revisionIds)],
  }
}

function draftEvent(type: EventTypeName, { actor, draft }: About, payload: DraftPayload): NewEvent {
  return {
    type,
    visibility: getEventType(type)!.visibility,
    actor,
    organizationId: draft.organization_id,
    podId: draft.pod_id,
    inboxId: draft.inbox_id,
    payload: { ...payload },
  }
}
