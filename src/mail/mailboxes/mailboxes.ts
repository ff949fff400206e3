/**
 * Mailboxes: an inbox as mail programs see it over IMAP (docs/adr/0069). Labels are the truth; a mailbox is a view of them with UIDs.
 *
 *   a login → its mailboxes (visible-mailboxes.ts) → one is opened: catch up with the log (catch-up/), load or share its snapshots
 *   (views/) → fetch (fetch/), change (changes/)
 *
 * Only this module knows UIDs, sequence numbers and flags; it knows nothing of the protocol's syntax and sessions.
 */
import type { MailboxRow } from '../../store/schema/mailbox-rows.ts'
import type { Store } from '../../store/store.ts'
import * as entriesTable from '../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../store/tables/mailboxes-table.ts'
import { forbiddenMask, hasPermission, requireInbox } from '../access/access.ts'
import type { KeyActor } from '../access/actor.ts'
import type { Feed } from '../events/feed/feed.ts'
import { turnOf } from '../jobs/turn-queue.ts'
import { createReportDamage } from '../messages/content/damaged-content.ts'
import type { MailReader } from '../messages/content/mail-reader.ts'
import { createReadableContents } from '../messages/content/readable-contents.ts'
import { createSourceIndex } from '../messages/search/source-index.ts'
import { createTextCache } from '../messages/search/text-cache.ts'
import {
  type Appended,
  type AppendedMessage,
  type AppendNeeds,
  appendToDrafts,
  createAppendMessage,
} from './changes/append-message.ts'
import {
  createMailbox,
  deleteMailbox,
  finishChanges,
  isChanging,
  renameMailbox,
  setSubscribed,
} from './changes/manage-mailboxes.ts'
import { storeFlags } from './changes/store-flags.ts'
import { createLargeStructures } from './fetch/large-structures.ts'
import { type OpenMailbox, type OpenMailboxNeeds, openMailbox } from './open-mailbox.ts'
import { isSystemFlag, keywordsOf } from './projection/flag-changes.ts'
import { createSources } from './search/search-sources.ts'
import { createInboxViews } from './views/inbox-views.ts'
import { type MailboxInfo, requireMailbox, showMailboxes, visibleMailboxes } from './visible-mailboxes.ts'

export interface Mailboxes {
  /** Needs `message_read`. The caller closes it. @throws not_found, missing_permission */
  open(actor: KeyActor, inbox: string): Promise<MailboxAccount>
}

/** The mailboxes of one inbox, for one login. */
export interface MailboxAccount {
  readonly inboxId: string
  /** Every mailbox that this login may see, INBOX first. */
  list(): Promise<readonly MailboxInfo[]>
  /** @throws mailbox_not_found */
  status(name: string): Promise<MailboxStatus>
  /** @throws mailbox_not_found, limit_exceeded when too many are open */
  select(name: string): Promise<OpenMailbox>
  /** All below need `message_update`. @returns its id @throws mailbox_exists, mailbox_refused, limit_exceeded */
  create(name: string): Promise<string>
  /** Those below it are renamed too. @throws mailbox_not_found, mailbox_exists, mailbox_refused */
  rename(from: string, to: string): Promise<void>
  /** Its messages are moved to Trash. @throws mailbox_not_found, mailbox_refused */
  delete(name: string): Promise<void>
  /** @throws mailbox_not_found, unless it is unsubscribed */
  setSubscribed(name: string, isSubscribed: boolean): Promise<void>
  quota(): Promise<MailboxQuota>
  /**
   * Adds a message that the client has. Needs `message_update`; in Drafts `draft_create` or `draft_update`.
   *
   * @returns undefined: it is stored, and its UID is not known, because it has left the mailbox already
   * @throws mailbox_not_found, message_too_large, inbox_full, missing_permission; what `data` throws
   */
  append(name: string, message: AppendedMessage): Promise<AppendedEntry | undefined>
  close(): void
}

export interface MailboxStatus {
  readonly messages: number
  readonly unseen: number
  /** Messages with \Deleted. */
  readonly deleted: number
  readonly deletedBytes: number
  /** The size of all messages together. */
  readonly sizeBytes: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModseq: number
  readonly mailboxId: string
}

export interface AppendedEntry {
  readonly uidValidity: number
  readonly uid: number
}

export interface MailboxQuota {
  readonly storage: { readonly usedBytes: number; readonly maxBytes: number | undefined }
  readonly messages: { readonly used: number; readonly max: number | undefined }
}

interface MailboxesNeeds
  extends Omit<OpenMailboxNeeds, 'foldedTexts' | 'largeStructures' | 'reportDamage' | 'sources' | 'sourceIndex'>,
    AppendNeeds {
  readonly store: Store
  readonly feed: Pick<Feed, 'followInbox'>
  readonly mailReader: Pick<MailReader, 'readStructure' | 'readTexts'>
}

export function createMailboxes(given: MailboxesNeeds): Mailboxes {
  const reportDamage = createReportDamage(given.log)
  const read = { ...given, contents: createReadableContents(given), reportDamage }
  const needs = {
    ...read,
    foldedTexts: createTextCache(given.limits, reportDamage),
    largeStructures: createLargeStructures(read),
    sources: createSources(read),
    sourceIndex: createSourceIndex(given),
  }
  const { store, config, log } = needs
  const views = createInboxViews(needs)
  const appendMessage = createAppendMessage(needs)

  return {
    async open(actor, inboxRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const inboxView = views.acquire(inbox.id)
      const owner = { actor, inboxId: inbox.id }
      const refresh = () => inboxView.refresh()
      const manageNeeds = { store, limits: needs.limits, refresh }
      const hiddenMask = forbiddenMask(actor)
      const turn = turnOf({ organizationId: inbox.organization_id, podId: inbox.pod_id })
      let isClosed = false

      return {
        inboxId: inbox.id,

        async list() {
          await refreshAndFinish()
          // Not those of the last refresh: no event reports a subscription.
          const rows = await mailboxesTable.listByInbox(store.db, inbox.id)
          return showMailboxes(visibleMailboxes(actor, rows))
        },

        async status(name) {
          const mailbox = await select(name)
          try {
            return await statusOf(mailbox)
          } finally {
            mailbox.close()
          }
        },

        select,

        async create(name) {
          await refresh()
          return createMailbox(manageNeeds, owner, name)
        },

        async rename(from, to) {
          await refresh()
          await renameMailbox(manageNeeds, owner, from, to)
        },

        async delete(name) {
          await refresh()
          await deleteMailbox(manageNeeds, owner, name)
        },

        async setSubscribed(name, isSubscribed) {
          await refresh()
          await setSubscribed(manageNeeds, owner, name, isSubscribed)
        },

        async append(name, message) {
          const known = await mailboxesTable.listByInbox(store.db, inbox.id)
          if (known.length === 0) await refresh()
          const target = requireMailbox(actor, known.length === 0 ? inboxView.known.rows : known, name)
          const hasSpace = await inboxView.hasSpaceFor(target.id, keywordsOf(message.flags))
          const storable = hasSpace ? message : { ...message, flags: message.flags.filter(isSystemFlag) }
          const appended =
            target.kind === 'drafts'
              ? await appendToDrafts(needs, owner, storable)
              : await appendMessage(owner, target, storable)
          if (appended.uid !== undefined) return { uidValidity: target.uid_validity, uid: appended.uid }
          try {
            return await findAppended(target, appended)
          } catch (error) {
            // The message is stored: a client that got an error would append it again.
            log.warn({ err: error, inboxId: inbox.id }, 'the UID or flags of an appended message are missing')
            return undefined
          }
        },

        async quota() {
          const row = await requireInbox(store.db, actor, 'message_read', inbox.id)
          const bytesMax = row.quota_bytes ?? config.inboxBytesMax
          const messagesMax = row.quota_messages ?? config.inboxMessagesMax
          return {
            storage: { usedBytes: row.size_bytes, maxBytes: bytesMax || undefined },
            messages: { used: row.message_count, max: messagesMax || undefined },
          }
        },

        close() {
          if (isClosed) return
          isClosed = true
          views.release(inboxView)
        },
      }

      async function findAppended(target: MailboxRow, { id, flags }: Appended): Promise<AppendedEntry | undefined> {
        await refresh()
        const found = await entriesTable.listByItems(store.db, [id])
        const entry = found.find(({ mailbox_id }) => mailbox_id === target.id)
        if (!entry) return undefined
        const mayStore = target.kind !== 'drafts' || hasPermission(actor, 'draft_update')
        if (flags.length > 0 && mayStore) {
          const mailbox = { actor, inboxId: inbox.id, mailboxId: target.id, hiddenMask }
          await storeFlags(needs, mailbox, { row: target, uids: [entry.uid], change: { how: 'add', flags } })
        }
        return { uidValidity: target.uid_validity, uid: entry.uid }
      }

      async function select(name: string): Promise<OpenMailbox> {
        views.checkSpace()
        await refreshAndFinish()
        const row = requireMailbox(actor, inboxView.known.rows, name)
        const view = await inboxView.open(row, hiddenMask)
        await needs.sourceIndex.request(inbox.id)
        return openMailbox(needs, { actor, inboxView, view, row, turn })
      }

      /** A rename or deletion that a crash has interrupted is finished first. */
      async function refreshAndFinish(): Promise<void> {
        await refresh()
        if (!inboxView.known.rows.some(isChanging)) return
        await finishChanges(manageNeeds, owner)
        await refresh()
      }
    },
  }

  async function statusOf(mailbox: OpenMailbox): Promise<MailboxStatus> {
    const { uids, flags, uidNext, highestModseq } = mailbox.latest()
    const countWith = (flag: string) => flags.reduce((sum, set) => sum + Number(set.includes(flag)), 0)
    return {
      messages: uids.length,
      unseen: uids.length - countWith('\\Seen'),
      deleted: countWith('\\Deleted'),
      ...(await mailbox.sizes()),
      uidNext,
      uidValidity: mailbox.uidValidity,
      highestModseq,
      mailboxId: mailbox.mailboxId,
    }
  }
}
