/**
 * Gets the bytes of the attachments of a message or draft before it is composed: those that were uploaded before
 * (../uploads/uploads.ts), and those that are given by URL (fetch-attachments.ts).
 */
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Actor } from '../../access/actor.ts'
import type { RequestMemory } from '../../access/body-memory.ts'
import type { Uploads } from '../uploads/uploads.ts'
import type { FetchAttachments } from './fetch-attachments.ts'
import type { OutgoingAttachment, RequestedAttachment } from './outgoing.ts'

/**
 * @param inbox the inbox that sends
 * @param memory of the request; undefined: the bytes are not counted
 * @returns the attachments with their bytes, in order
 * @throws as FetchAttachments and Uploads.attach
 */
export type ResolveAttachments = (
  actor: Actor,
  inbox: InboxRow,
  attachments: readonly RequestedAttachment[],
  memory?: RequestMemory,
) => Promise<OutgoingAttachment[]>

interface ResolveAttachmentsNeeds {
  readonly uploads: Pick<Uploads, 'attach'>
  readonly fetchAttachments: FetchAttachments
}

export function createResolveAttachments({ uploads, fetchAttachments }: ResolveAttachmentsNeeds): ResolveAttachments {
  return async function resolveAttachments(actor, inbox, attachments, memory) {
    return fetchAttachments(await uploads.attach(actor, inbox, attachments, memory), inbox, memory)
  }
}
