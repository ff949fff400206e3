/** Changes the message that is answered when its answer is sent. */
import type { Tx } from '../../../store/handles.ts'
import { listByIds } from '../../../store/tables/messages-table.ts'
import { findLabelled } from '../../../store/tables/placed-messages-table.ts'
import { hashId } from '../threads/threading.ts'
import { REPLIED } from './label-rules.ts'
import { changeLabels } from './labels.ts'

/**
 * The received message that a sent one answers gets the label `replied`, which mail programs show as \Answered. The caller must lock
 * the inbox.
 *
 * @param actor the name that `actorName` returns
 * @param inReplyTo Message-IDs of In-Reply-To; the first counts
 */
export async function recordReply(
  tx: Tx,
  actor: string,
  inbox: { readonly id: string; readonly address: string },
  [messageId]: readonly string[],
): Promise<void> {
  if (messageId === undefined) return
  const id = await findLabelled(tx, { inboxId: inbox.id, idHash: hashId(messageId), label: 'received' })
  const [row] = id === undefined ? [] : await listByIds(tx, [id])
  if (row) await changeLabels(tx, actor, row, inbox.address, { add: [REPLIED] })
}
