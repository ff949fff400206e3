/** Lists, shows, downloads and deletes the messages of one inbox. */

import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { isUuid } from '../../formats/ids.ts'
import type { Store } from '../../store/store.ts'
import * as contentsTable from '../../store/tables/contents-table.ts'
import * as messageScans from '../../store/tables/message-scans-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import {
  assertKeyUnchanged,
  hasPermission,
  hiddenMaskFor,
  isInboxVisible,
  keyOf,
  lockInbox,
  recheckAccess,
  requireInbox,
} from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import type { BodyMemory } from '../access/body-memory.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'
import { showWhole, showWholeRow } from './content/bodies.ts'
import { type BodyForm, DECODED, ENCODED } from './content/compressed-bodies.ts'
import { type Contents, loadContent } from './content/contents.ts'
import type { DiscardBlobs } from './content/discard-blobs.ts'
import type { Downloads } from './content/downloads.ts'
import { checkFilterValues, listMail } from './mail-list.ts'
import { deletedBy, type Removal } from './removal.ts'
import type { SenderTrust } from './sender-trust.ts'
import { showAttachment } from './views/attachment.ts'
import type {
  Attachment,
  DownloadedFile,
  DownloadLink,
  EncodedMessage,
  Message,
  MessageFilter,
  MessageItem,
  MessageWithSource,
} from './views/message.ts'
import { requireMessage, requireWholeMessage } from './views/message-lookup.ts'
import { showMessagesOf } from './views/message-views.ts'

/**
 * `inbox` is an address or an id; `ref` is a message's id, or its Message-ID with or without brackets. All calls throw
 * not_found for objects that do not exist or are not in scope, and missing_permission.
 */
export interface Messages {
  /** Newest first. @throws too_many_responses */
  list(
    actor: Actor,
    inbox: string,
    filter: MessageFilter,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<Page<MessageItem>>
  /** @throws too_many_responses */
  get(actor: Actor, inbox: string, ref: string, memory: BodyMemory): Promise<Message>
  /** The same for a response in JSON: decoding and encoding its texts would be a fifth of the request. @throws too_many_responses */
  getEncoded(actor: Actor, inbox: string, ref: string, memory: BodyMemory): Promise<EncodedMessage>
  /**
   * The message with its bytes and a link to them. The bytes are missing if they are more than limits.messages.sourceInJsonBytesMax.
   *
   * @throws too_many_responses
   */
  getWithSource(actor: Actor, inbox: string, ref: string, memory: BodyMemory): Promise<MessageWithSource>
  /** The unread messages that `list` shows without those that are archived, as far as the key may see them. */
  unreadCount(actor: Actor, inbox: string): Promise<number>
  raw(
    actor: Actor,
    inbox: string,
    ref: string,
  ): Promise<{ readonly messageId: string; readonly sizeBytes: number } & DownloadLink>
  attachment(actor: Actor, inbox: string, ref: string, attachmentId: string): Promise<Attachment & DownloadLink>
  /** @param index from 0, in the order in which a message lists them @throws not_found */
  attachmentAt(actor: Actor, inbox: string, ref: string, index: number): Promise<Attachment & DownloadLink>
  /**
   * Returns the id of the inbox of a message, for calls that name only the message.
   *
   * @param id of a message in the actor's scope
   */
  inboxOf(actor: Actor, id: string): Promise<string>
  /** Deletes permanently, with the event `message.deleted`. */
  delete(actor: Actor, inbox: string, ref: string): Promise<void>
  /** @throws not_found for an invalid or expired token */
  download(token: string): Promise<DownloadedFile>
}

interface MessagesNeeds {
  readonly store: Store
  readonly contents: Contents
  readonly downloads: Downloads
  readonly senderTrust: Pick<SenderTrust, 'isOn'>
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export function createMessages(needs: MessagesNeeds): Messages {
  const { store, contents, downloads, removal, discardBlobs, senderTrust, limits } = needs

  const isNobodys = (filter: MessageFilter) => filter.isSenderVerified === true && !senderTrust.isOn

  return {
    async list(actor, inboxRef, filter, page, memory) {
      checkFilterValues(filter, limits)
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const criteria = criteriaOf(actor, inbox.id, filter)
      return listMail(page, limits, memory, {
        criteria,
        substrings: [filter.from, filter.to, filter.subject, filter.text === undefined ? [] : [filter.text]],
        scan: async (keyset) => (isNobodys(filter) ? [] : messageScans.scan(store.db, criteria, keyset)),
        scanRows: async (keyset) => (isNobodys(filter) ? [] : messageScans.scanItems(store.db, criteria, keyset)),
        listByIds: (ids) => messages.listItemsByIds(store.db, ids),
        recheck: () => recheckAccess(store, actor, [inbox.id]),
        show: (rows) => showMessagesOf(store.db, inbox, rows),
      })
    },

    async get(actor, inboxRef, ref, memory) {
      return read(actor, inboxRef, ref, memory, DECODED)
    },

    async getEncoded(actor, inboxRef, ref, memory) {
      return read(actor, inboxRef, ref, memory, ENCODED)
    },

    async getWithSource(actor, inboxRef, ref, memory) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const row = await requireMessage(store.db, actor, inbox.id, ref)
      const isShort = row.size_bytes <= limits.messages.sourceInJsonBytesMax
      const more = isShort ? SOURCE_COPIES * row.size_bytes : 0
      const [message] = await showWhole({ store, limits, inbox }, actor, [row], withMore(memory, more))
      if (!message) throw new MailError('not_found', { what: 'Message' }) // deleted or hidden meanwhile
      const link = await downloads.link({ messageId: row.id })
      if (!isShort) return { message, ...link }
      return { message, source: await loadContent(contents, row.content_id), ...link }
    },

    async unreadCount(actor, inboxRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const isUnauthenticatedSeen = hasPermission(actor, 'label_unauthenticated_read')
      return inbox.unread_shown_count + (isUnauthenticatedSeen ? inbox.unread_unauthenticated_count : 0)
    },

    async raw(actor, inboxRef, ref) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const row = await requireMessage(store.db, actor, inbox.id, ref)
      const link = await downloads.link({ messageId: row.id })
      return { messageId: row.api_message_id, sizeBytes: row.size_bytes, ...link }
    },

    async attachment(actor, inboxRef, ref, attachmentId) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const row = await requireMessage(store.db, actor, inbox.id, ref)
      const part = await contentsTable.getAttachment(store.db, row.content_id, attachmentId)
      if (!part) throw new MailError('not_found', { what: 'Attachment' })
      const shown = showAttachment(part)
      return { ...shown, ...(await downloads.link({ messageId: row.id, attachmentId }, shown)) }
    },

    async attachmentAt(actor, inboxRef, ref, index) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const row = await requireMessage(store.db, actor, inbox.id, ref)
      const part = (await contentsTable.listAttachments(store.db, [row.content_id]))[index]
      if (!part) throw new MailError('not_found', { what: 'Attachment' })
      const shown = showAttachment(part)
      return { ...shown, ...(await downloads.link({ messageId: row.id, attachmentId: shown.id }, shown)) }
    },

    async inboxOf(actor, id) {
      const [row] = isUuid(id) ? await messages.listByIds(store.db, [id]) : []
      const isFound = row && (await isInboxVisible(store.db, keyOf(actor), row.inbox_id))
      // The same error as for an unknown id: it must not reveal that the message exists.
      if (!isFound) throw new MailError('not_found', { what: 'Message' })
      return row.inbox_id
    },

    async delete(actor, inboxRef, ref) {
      const blobs = await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'message_delete', inboxRef)
        const row = await requireMessage(tx, actor, inbox.id, ref)
        return removal.remove(tx, inbox.id, [row], deletedBy(actor, inbox.address))
      })
      await discardBlobs(blobs)
    },

    download: (token) => downloads.open(token),
  }

  async function read<Form extends object>(
    actor: Actor,
    inboxRef: string,
    ref: string,
    memory: BodyMemory,
    form: BodyForm<Form>,
  ) {
    const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
    const row = await requireWholeMessage(store.db, actor, inbox.id, ref, memory.freeBytes)
    const message = await showWholeRow({ store, limits, inbox }, actor, row, memory, form)
    if (!message) throw new MailError('not_found', { what: 'Message' }) // deleted or hidden meanwhile
    return message
  }
}

/** The bytes of a message are in memory as they are, and as the text of the response. */
const SOURCE_COPIES = 2

/** Reserves more than the bodies of messages need. */
function withMore(memory: BodyMemory, bytes: number): BodyMemory {
  return {
    freeBytes: Math.max(0, memory.freeBytes - bytes),
    reserve: (others) => memory.reserve(others + bytes),
    nextTurn: () => memory.nextTurn(),
  }
}

/** Returns a filter as query criteria for an inbox, limited to what this actor may see. */
export function criteriaOf(actor: Actor, inboxId: string, filter: MessageFilter): messageScans.MessageCriteria {
  return {
    inboxId,
    hiddenMask: hiddenMaskFor(actor, filter.include ?? []),
    labels: (filter.labels ?? []).map((label) => label.toLowerCase()),
    before: filter.before,
    after: filter.after,
    from: filter.from ?? [],
    to: filter.to ?? [],
    subject: filter.subject ?? [],
    withoutLabels: filter.withoutLabels,
    text: filter.text,
    isSenderVerified: filter.isSenderVerified,
  }
}
