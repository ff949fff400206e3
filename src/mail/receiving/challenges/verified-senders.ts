/** The senders that have answered a challenge of an inbox: a list, and an end of each. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import * as verifiedSenders from '../../../store/tables/verified-senders-table.ts'
import { assertKeyUnchanged, lockInbox, requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { listPage } from '../../access/paging/list-page.ts'
import type { Page, PageRequest } from '../../access/paging/page-tokens.ts'
import { senderRevoked } from '../../events/log/sender-events.ts'
import { partsOf } from './sender-claim.ts'

export interface VerifiedSender {
  readonly id: string
  readonly inboxAddress: string
  readonly address: string
  /** Only messages from there count: "signed:<domain>" or "network:<address>". */
  readonly origin: string
  /** Epoch ms. */
  readonly verifiedAt: number
}

/** Both throw not_found and missing_permission: `list_entry_read`, `list_entry_delete`. */
export interface VerifiedSenders {
  /** Newest first. */
  list(actor: Actor, inbox: string, page: PageRequest): Promise<Page<VerifiedSender>>
  /** None of its messages counts as verified any more. Its next message may be challenged again. */
  revoke(actor: Actor, inbox: string, id: string): Promise<void>
}

interface VerifiedSendersNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createVerifiedSenders({ store, limits }: VerifiedSendersNeeds): VerifiedSenders {
  return {
    async list(actor, inboxRef, page) {
      const inbox = await requireInbox(store.db, actor, 'list_entry_read', inboxRef)
      return listPage(page, limits, {
        filter: { list: 'verified senders', inbox: inbox.id },
        select: (keyset) => verifiedSenders.list(store.db, inbox.id, keyset),
        show: (rows) =>
          rows.map((row) => ({
            id: row.id,
            inboxAddress: inbox.address,
            ...partsOf(row.claim),
            verifiedAt: row.verified_at,
          })),
      })
    },

    async revoke(actor, inboxRef, id) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'list_entry_delete', inboxRef)
        const row = await verifiedSenders.removeAnswered(tx, inbox.id, id)
        if (!row) throw new MailError('not_found', { what: 'Verified sender' })
        const about = { id, organizationId: row.organization_id, podId: row.pod_id, inboxId: inbox.id }
        const sender = { ...about, ...partsOf(row.claim) }
        tx.append(senderRevoked({ actor: actorName(actor), sender, inboxAddress: inbox.address }))
      })
    },
  }
}
