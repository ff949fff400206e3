/**
 * The links of challenges: what they ask, and the answer. The link is the credential. Nothing is confirmed by opening it, because
 * scanners of mail open all links.
 */
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as verifiedSenders from '../../../store/tables/verified-senders-table.ts'
import { senderVerified } from '../../events/log/sender-events.ts'
import { hashToken } from './challenge-token.ts'
import { partsOf } from './sender-claim.ts'

/** What the owner of an address is asked. */
export interface Challenge {
  readonly inboxAddress: string
  /** The sender. */
  readonly address: string
  /** "signed:<domain>" or "network:<address>": from where the message came. */
  readonly origin: string
  /** When the message arrived, epoch ms. */
  readonly messageAt: number
}

export interface SenderChallenges {
  /** @returns undefined for a link that is wrong, has ended or was used */
  find(token: string): Promise<Challenge | undefined>
  /** The sender confirms. Works once. @returns as find */
  confirm(token: string): Promise<Challenge | undefined>
}

interface SenderChallengesNeeds {
  readonly store: Store
  /** Epoch ms. */
  readonly clock: () => number
}

export function createSenderChallenges({ store, clock }: SenderChallengesNeeds): SenderChallenges {
  return {
    async find(token) {
      const row = await verifiedSenders.getByToken(store.db, hashToken(token))
      const inbox = row && (await inboxes.getById(store.db, row.inbox_id))
      if (!row || !inbox || row.expires_at <= clock()) return undefined
      return { inboxAddress: inbox.address, ...partsOf(row.claim), messageAt: row.message_at }
    },

    async confirm(token) {
      return store.transaction(async (tx) => {
        const asked = await verifiedSenders.getByToken(tx, hashToken(token))
        // The inbox before the row, as its removal locks them. `inbox.deleted` was the last event of one that is being deleted.
        const inbox = asked && (await inboxes.lockById(tx, asked.inbox_id))
        const row = inbox && (await verifiedSenders.answer(tx, hashToken(token)))
        if (!row || !inbox) return undefined
        const { origin, address } = partsOf(row.claim)
        const about = { id: row.id, organizationId: row.organization_id, podId: row.pod_id, inboxId: row.inbox_id }
        tx.append(
          senderVerified({
            actor: 'system:challenges',
            sender: { ...about, address, origin },
            inboxAddress: inbox.address,
          }),
        )
        return { inboxAddress: inbox.address, address, origin, messageAt: row.message_at }
      })
    },
  }
}
