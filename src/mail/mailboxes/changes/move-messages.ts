/** COPY and MOVE: changes of labels (../projection/placement.ts). */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import { actorName } from '../../access/actor.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { placementOf } from '../projection/placement.ts'
import { type ChangedMailbox, entriesOf, inTransactions, lockCaughtUp, messagesOf, requireNow } from './lock-mailbox.ts'

export interface MoveRequest {
  readonly source: MailboxRow
  readonly target: MailboxRow
  readonly isMove: boolean
  /** Ascending. */
  readonly uids: readonly number[]
}

/**
 * Each transaction moves some of the messages.
 *
 * @returns the messages by their UIDs in the source, in their order
 * @throws mailbox_refused: nothing of this transaction is moved; missing_permission
 */
export async function moveMessages(
  needs: { readonly store: Pick<Store, 'transaction'>; readonly limits: Limits },
  mailbox: ChangedMailbox,
  { source, target, isMove, uids }: MoveRequest,
): Promise<{ readonly uid: number; readonly messageId: string }[]> {
  if (source.kind === 'drafts') throw new MailError('mailbox_refused', { detail: 'A draft can only be moved to Trash' })
  const moved = await inTransactions(needs, mailbox, uids, async (tx, some) => {
    const { inbox, mailboxes, projection } = await lockCaughtUp(tx, mailbox, 'message_update', needs.limits)
    // Not the rows that the session knows: their labels may have changed.
    const places = {
      source: mailboxes.find(({ id }) => id === source.id) ?? source,
      target: requireNow(mailboxes, target),
    }
    const done: { uid: number; messageId: string }[] = []
    for (const { entry, row, labels } of await messagesOf(tx, { projection }, await entriesOf(tx, mailbox, some))) {
      const change = placementOf({ ...places, isMove }, labels, projection)
      await changeLabels(tx, actorName(mailbox.actor), row, inbox.address, change, needs.limits)
      done.push({ uid: entry.uid, messageId: row.id })
    }
    return done
  })
  return moved.flat()
}
