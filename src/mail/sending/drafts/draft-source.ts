/**
 * The source of a draft: the message that it answers or forwards. A reply takes its recipients, subject and thread from it
 * when the draft is created, so that a person sees and edits them; a forward takes the body and the attachments when it is
 * sent.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import { forwardBody } from '../../../formats/reply/reply-compose.ts'
import type { DraftKind, DraftPartRow, DraftRow } from '../../../store/schema/draft-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import { requirePermission } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { type BodyMemory, withMore } from '../../access/body-memory.ts'
import { listAddressesOf } from '../../inboxes/own-address.ts'
import { showWhole } from '../../messages/content/bodies.ts'
import { requireMessage } from '../../messages/views/message-lookup.ts'
import { showMessages } from '../../messages/views/message-views.ts'
import type { DefaultRecipients } from '../compose/checked-message.ts'
import type { ThreadedMessage } from '../compose/compose-mail.ts'
import type { OpenForwarded } from '../compose/forwarded-attachments.ts'
import {
  deriveForward,
  deriveReply,
  forwardingBodies,
  originalOf,
  type ThreadPlace,
} from '../compose/source-message.ts'
import type { NewDraft } from './draft.ts'
import { attachmentsOf } from './draft-views.ts'

/** What a new draft gets from its source. */
export interface DraftSource {
  readonly kind: DraftKind
  readonly columns: Pick<DraftRow, 'source_id' | 'source_message_id'>
  readonly place?: ThreadPlace
  /** The subject, unless the client gives one. */
  readonly subject?: string
  /** For each of `to` and `cc` that the client leaves out. */
  readonly defaults?: DefaultRecipients
}

export interface DraftSources {
  /** @throws validation_error, no_recipients; not_found, missing_permission for the source */
  find(actor: Actor, inbox: InboxRow, draft: NewDraft): Promise<DraftSource>
  /**
   * Reads the body of the message that a draft forwards, when there is memory for it and for its attachments.
   *
   * @param parts of the draft, which have not been read
   * @param memory its reservation is added to that of the draft
   * @throws not_found when the source was deleted; missing_permission, validation_error, message_too_large, too_many_responses
   */
  openForward(actor: Actor, row: DraftRow, parts: readonly DraftPartRow[], memory: BodyMemory): Promise<MergeForward>
}

/** Returns the message of a draft with the body and the attachments of the message that it forwards. */
type MergeForward = (message: ThreadedMessage) => Promise<ThreadedMessage>

interface DraftSourcesNeeds {
  readonly store: Store
  readonly openForwarded: OpenForwarded
  readonly limits: Limits
}

export function createDraftSources({ store, openForwarded, limits }: DraftSourcesNeeds): DraftSources {
  return {
    async find(actor, inbox, draft) {
      const { inReplyTo, forwardOf, toAll } = draft
      if (inReplyTo !== undefined && forwardOf !== undefined) {
        throw invalid('in_reply_to and forward_of cannot be combined: a draft is a reply or a forward', 'forward_of')
      }
      if (toAll && inReplyTo === undefined) throw invalid('reply_all needs in_reply_to', 'reply_all')
      const ref = inReplyTo ?? forwardOf
      if (ref === undefined) return { kind: 'new', columns: { source_id: null, source_message_id: null } }

      // Its subject and addresses become readable in the draft, and a forward sends its content to others.
      requirePermission(actor, 'message_read')
      const row = await requireMessage(store.db, actor, inbox.id, ref)
      const [parent] = await showMessages(store.db, [row], inbox)
      if (!parent) throw new MailError('not_found', { what: 'Message' })
      const columns = { source_id: row.id, source_message_id: row.api_message_id }
      if (forwardOf !== undefined) {
        const { subject, ...place } = deriveForward(row, parent)
        return { kind: 'forward', columns, place, subject }
      }
      const { recipients, subject, ...place } = deriveReply(await listAddressesOf(store.db, inbox), row, parent, draft)
      const { to, cc } = recipients
      return { kind: toAll ? 'reply_all' : 'reply', columns, place, subject, defaults: { to, cc } }
    },

    async openForward(actor, row, parts, memory) {
      requirePermission(actor, 'message_read')
      const source = await requireSource(actor, row)
      const forwarded = await openForwarded(
        source,
        attachmentsOf(parts).map((part) => part.size_bytes),
      )
      const [parent] = await showWhole({ store, limits }, actor, [source], withMore(memory, forwarded.memoryBytes))
      if (!parent) throw sourceNotFound()
      return async (message) => ({
        ...message,
        ...forwardBody(originalOf(parent), forwardingBodies(message)),
        attachments: [...message.attachments, ...(await forwarded.read())],
      })
    },
  }

  async function requireSource(actor: Actor, row: DraftRow): Promise<StoredMessageRow> {
    try {
      return await requireMessage(store.db, actor, row.inbox_id, row.source_id ?? '')
    } catch (error) {
      throw isMailError(error, 'not_found') ? sourceNotFound() : error
    }
  }
}

function sourceNotFound(): MailError {
  return new MailError('not_found', { what: 'The message that the draft forwards was' })
}

function invalid(detail: string, path: string): MailError {
  return new MailError('validation_error', { detail, path: [path] })
}
