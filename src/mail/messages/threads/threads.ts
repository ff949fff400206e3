/** Lists threads across a scope, shows them with their messages, changes their labels as a whole, and deletes them. */

import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { ThreadRow } from '../../../store/schema/message-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messagesTable from '../../../store/tables/messages-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import {
  assertKeyUnchanged,
  forbiddenMask,
  hiddenMaskFor,
  recheckAccess,
  requireScope,
  type Scope,
} from '../../access/access.ts'
import { type Actor, actorName, type Within } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import { closePage, openPage, type Page, type PagePosition, type PageRequest } from '../../access/paging/page-tokens.ts'
import type { Permission } from '../../access/permissions.ts'
import { showWhole } from '../content/bodies.ts'
import type { DiscardBlobs } from '../content/discard-blobs.ts'
import type { Downloads } from '../content/downloads.ts'
import { rowsOfLabels } from '../estimated-rows.ts'
import type { LabelChange } from '../labels/label-rules.ts'
import { changeLabels, parseLabelChange } from '../labels/labels.ts'
import { checkFilterValues, listMail } from '../mail-list.ts'
import { isReadable } from '../readable.ts'
import { deletedBy, type Removal } from '../removal.ts'
import { showAttachment } from '../views/attachment.ts'
import type { Attachment, DownloadLink, Message } from '../views/message.ts'
import { showThreads } from '../views/message-views.ts'
import type { ThreadFilter, ThreadItem } from './thread.ts'

/** All throw not_found for objects that do not exist or are not in scope, and missing_permission. */
export interface Threads {
  /**
   * Newest first, by the newest message that no class hides (or by the newest of all if every message is hidden).
   * Filters and fields use only messages that the actor may see and has requested, never the thread's other messages.
   *
   * @throws too_many_responses
   */
  list(
    actor: Actor,
    within: Within,
    filter: ThreadFilter,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<Page<ThreadItem>>
  /**
   * The first page has the newest messages; within a page the oldest is first; the token leads to older ones.
   *
   * @throws too_many_responses
   */
  get(
    actor: Actor,
    within: Within,
    threadId: string,
    page: PageRequest,
    memory: BodyMemory,
  ): Promise<{ readonly thread: ThreadItem; readonly messages: Page<Message> }>
  attachment(actor: Actor, within: Within, threadId: string, attachmentId: string): Promise<Attachment & DownloadLink>
  /**
   * Changes all messages of the thread that the actor may see, some at a time: if a part fails, the call can be repeated.
   *
   * @throws thread_too_large, system_label
   */
  changeLabels(
    actor: Actor,
    within: Within,
    threadId: string,
    change: LabelChange,
  ): Promise<{ readonly threadId: string; readonly labels: readonly string[] }>
  /** Deletes the thread and all its messages permanently. */
  delete(actor: Actor, within: Within, threadId: string): Promise<void>
}

interface ThreadsNeeds {
  readonly store: Store
  readonly downloads: Downloads
  readonly removal: Removal
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export function createThreads(needs: ThreadsNeeds): Threads {
  const { store, downloads, removal, discardBlobs, limits } = needs

  return {
    async list(actor, within, filter, page, memory) {
      checkFilterValues(filter, limits)
      const scope = await requireScope(store.db, actor, 'message_read', within)
      const criteria = {
        scope,
        hiddenMask: hiddenMaskFor(actor, filter.include ?? []),
        labels: (filter.labels ?? []).map((label) => label.toLowerCase()),
        before: filter.before,
        after: filter.after,
        senders: filter.senders ?? [],
        recipients: filter.recipients ?? [],
        subject: filter.subject ?? [],
        partMessagesMax: limits.lists.threadPartMessagesMax,
      }
      return listMail(page, limits, memory, {
        criteria,
        substrings: [filter.senders, filter.recipients, filter.subject],
        scan: (keyset) => threads.scan(store.db, criteria, keyset),
        listByIds: (ids) => threads.listByIds(store.db, ids),
        async recheck() {
          await recheckAccess(store, actor, [])
          await requireScope(store.db, actor, 'message_read', within)
        },
        show: (rows) => showThreads(store.db, rows, limits, criteria.hiddenMask),
      })
    },

    async get(actor, within, threadId, page, memory) {
      const row = await requireThread(store.db, actor, 'message_read', within, threadId)
      const filter = { thread: row.id }
      const window = openPage({ ...page, ascending: false }, filter, {
        default: limits.lists.threadPageDefault,
        max: limits.lists.pageMax,
      })
      const found = await messagesTable.listByThread(store.db, row.id, { ...window, limit: window.limit + 1 })
      const newest = await withinBytes(store.db, found.slice(0, window.limit), limits)
      const last = found.length > newest.length ? newest.at(-1) : undefined
      const visible = newest.filter((message) => isReadable(actor, message))
      const messages = await showWhole({ store, limits }, actor, visible.toReversed(), memory)
      const [thread] = await showThreads(store.db, [row], limits, forbiddenMask(actor))
      if (!thread) throw new MailError('not_found', { what: 'Thread' }) // it has just been hidden
      return {
        thread,
        messages: closePage(messages, window, filter, last && { key: last.timestamp, id: last.id }),
      }
    },

    async attachment(actor, within, threadId, attachmentId) {
      const row = await requireThread(store.db, actor, 'message_read', within, threadId)
      const found = await messagesTable.getAttachmentInThread(store.db, row.id, attachmentId)
      const part = found && (await contents.getAttachment(store.db, found.content_id, attachmentId))
      if (!found || !part || !isReadable(actor, found)) throw new MailError('not_found', { what: 'Attachment' })
      const shown = showAttachment(part)
      return { ...shown, ...(await downloads.link({ messageId: found.id, attachmentId }, shown)) }
    },

    async changeLabels(actor, within, threadId, requested) {
      const change = parseLabelChange(requested, limits)
      // In parts: other writes wait for each transaction, and a change of many labels of many messages is long.
      const partMax = Math.max(1, Math.floor(limits.messages.transactionRowsMax / rowsOfLabels(change)))
      const { organization_id, message_count } = await requireThread(
        store.db,
        actor,
        'message_update',
        within,
        threadId,
      )
      const isLong = message_count * rowsOfLabels(change) > limits.messages.shortFilingRowsMax
      const fairnessKey = isLong ? `organization ${organization_id}` : undefined
      const labels = new Set<string>()
      let after: PagePosition | undefined
      do {
        const part = await store.transaction((tx) => changePart(tx, after), { fairnessKey })
        for (const label of part.labels) labels.add(label)
        after = part.last && { key: part.last.timestamp, id: part.last.id }
      } while (after)
      return { threadId, labels: [...labels].sort() }

      async function changePart(tx: Tx, after: PagePosition | undefined) {
        await assertKeyUnchanged(tx, actor)
        // After the first part, the change itself can have hidden the thread from the actor.
        const locked = after
          ? await lockIfPresent(tx, threadId)
          : await lockThread(tx, actor, 'message_update', within, threadId)
        if (!locked) return { labels: [], last: undefined }
        const { row, inbox } = locked
        if (row.message_count >= limits.messages.threadLabelMessagesMax) {
          throw new MailError('thread_too_large', { messagesMax: limits.messages.threadLabelMessagesMax })
        }
        const found = await messagesTable.listByThread(tx, row.id, { limit: partMax + 1, ascending: true, after })
        const part = found.slice(0, partMax)
        const labels: string[] = []
        for (const message of part) {
          if (isReadable(actor, message))
            labels.push(...(await changeLabels(tx, actorName(actor), message, inbox.address, change, limits)))
        }
        return { labels, last: found.length > partMax ? part.at(-1) : undefined }
      }
    },

    async delete(actor, within, threadId) {
      // Delete in chunks: a thread can be long, and a transaction blocks other writers.
      // Messages that the key may not see stay.
      let after: PagePosition | undefined
      do {
        const chunk = await store.transaction(async (tx) => {
          await assertKeyUnchanged(tx, actor)
          const locked = after
            ? await lockIfPresent(tx, threadId)
            : await lockThread(tx, actor, 'message_delete', within, threadId)
          // The last chunk removed its last message, or the inbox was deleted.
          if (!locked) return { blobs: [], last: undefined }
          const { row, inbox } = locked
          const keyset = { limit: limits.jobs.removalMessages, ascending: true, after }
          const rows = await messagesTable.listByThread(tx, row.id, keyset)
          const blobs = await removal.remove(
            tx,
            row.inbox_id,
            rows.filter((message) => isReadable(actor, message)),
            deletedBy(actor, inbox.address),
          )
          return { blobs, last: rows.length === limits.jobs.removalMessages ? rows.at(-1) : undefined }
        })
        await discardBlobs(chunk.blobs)
        after = chunk.last && { key: chunk.last.timestamp, id: chunk.last.id }
      } while (after)
    },
  }
}

async function requireThread(
  db: Db,
  actor: Actor,
  permission: Permission,
  within: Within,
  threadId: string,
): Promise<ThreadRow> {
  const scope: Scope = await requireScope(db, actor, permission, within)
  const row = await threads.get(db, scope, threadId)
  if (!row || !isReadable(actor, row)) throw new MailError('not_found', { what: 'Thread' })
  return row
}

/** A thread, and its inbox, which is locked. */
interface LockedThread {
  readonly row: ThreadRow
  readonly inbox: InboxRow
}

/** Locks the thread's inbox for this transaction, and so the thread. @throws as requireThread */
async function lockThread(
  tx: Tx,
  actor: Actor,
  permission: Permission,
  within: Within,
  threadId: string,
): Promise<LockedThread> {
  const { inbox_id } = await requireThread(tx, actor, permission, within, threadId)
  const inbox = await inboxes.lockById(tx, inbox_id)
  const row = await requireThread(tx, actor, permission, within, threadId) // read it again under the lock
  if (!inbox) throw new MailError('not_found', { what: 'Thread' })
  return { row, inbox }
}

/**
 * @returns undefined if the thread no longer exists, or its inbox is being deleted: a job removes the other messages, and
 *   `inbox.deleted` was their last event
 */
async function lockIfPresent(tx: Tx, threadId: string): Promise<LockedThread | undefined> {
  const [row] = await threads.listByIds(tx, [threadId])
  if (!row) return undefined
  const inbox = await inboxes.lockById(tx, row.inbox_id)
  return inbox && { row, inbox }
}

/**
 * Returns the first rows, as many as fit into a page: a stranger can create a thread with many large messages, and all
 * of them in one response would exhaust the memory.
 */
async function withinBytes(
  db: Db,
  rows: readonly messagesTable.StoredMessageRow[],
  { lists: { threadPageBytesMax } }: Limits,
): Promise<messagesTable.StoredMessageRow[]> {
  const contentIds = [...new Set(rows.map((row) => row.content_id))]
  const sizes = await contents.parsedSizes(db, contentIds)
  let bytes = 0
  return rows.filter((row, position) => {
    bytes += sizes.get(row.content_id) ?? 0
    return position === 0 || bytes <= threadPageBytesMax
  })
}
