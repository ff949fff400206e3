/**
 * Mailboxes: an inbox as mail programs see it over IMAP (docs/adr/0069). Labels are the truth; a mailbox is a view of them with UIDs.
 *
 *   a login → its mailboxes (visible-mailboxes.ts) → one is opened: catch up with the log (catch-up/), load or share its snapshots
 *   (views/) → fetch (fetch/), change (changes/)
 *
 * Only this module knows UIDs, sequence numbers and flags; it knows nothing of the protocol's syntax and sessions.
 */
import type { Store } from '../../store/store.ts'
import { forbiddenMask, requireInbox } from '../access/access.ts'
import type { KeyActor } from '../access/actor.ts'
import type { Feed } from '../events/feed/feed.ts'
import { type OpenMailbox, type OpenMailboxNeeds, openMailbox } from './open-mailbox.ts'
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
  close(): void
}

export interface MailboxStatus {
  readonly messages: number
  readonly unseen: number
  /** Messages with \Deleted. */
  readonly deleted: number
  /** Of all messages together. */
  readonly sizeBytes: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModseq: number
  readonly mailboxId: string
}

interface MailboxesNeeds extends OpenMailboxNeeds {
  readonly store: Store
  readonly feed: Pick<Feed, 'followInbox'>
}

export function createMailboxes(needs: MailboxesNeeds): Mailboxes {
  const { store } = needs
  const views = createInboxViews(needs)

  return {
    async open(actor, inboxRef) {
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const inboxView = views.acquire(inbox.id)
      const hiddenMask = forbiddenMask(actor)
      let isClosed = false

      return {
        inboxId: inbox.id,

        async list() {
          await inboxView.refresh()
          return showMailboxes(visibleMailboxes(actor, inboxView.known.rows))
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

        close() {
          if (isClosed) return
          isClosed = true
          views.release(inboxView)
        },
      }

      async function select(name: string): Promise<OpenMailbox> {
        views.checkSpace()
        await inboxView.refresh()
        const row = requireMailbox(actor, inboxView.known.rows, name)
        const view = await inboxView.open(row, hiddenMask)
        return openMailbox(needs, { actor, inboxView, view, row })
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
      sizeBytes: 0,
      uidNext,
      uidValidity: mailbox.uidValidity,
      highestModseq,
      mailboxId: mailbox.mailboxId,
    }
  }
}
