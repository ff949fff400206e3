/**
 * All changes to messages' labels. `change` serves clients; other modules record what happened to a message by calling
 * `changeLabels` in their own transaction. `change` uses it too.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messagesTable from '../../../store/tables/messages-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { assertKeyUnchanged, lockInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { hiddenMask } from '../../access/permissions.ts'
import { labelEvents } from '../../events/log/message-events.ts'
import { hiddenMaskOfThread, listFields, newestShown } from '../threads/thread-fields.ts'
import { eventMessage } from '../views/event-message.ts'
import { requireMessage } from '../views/message-lookup.ts'
import { applyLabels, type LabelChange, parseUserLabels } from './label-rules.ts'

export interface Labels {
  /**
   * Changes users' own labels, and `unread`, `spam`, `trash`. If both lists contain a label, it is removed.
   *
   * @param refs messages of one inbox, changed in one transaction
   * @returns in the order of refs, with their new labels
   * @throws system_label, validation_error, not_found, missing_permission
   */
  change(
    actor: Actor,
    inbox: string,
    refs: readonly string[],
    change: LabelChange,
  ): Promise<{ readonly messageId: string; readonly labels: readonly string[] }[]>
}

interface LabelsNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createLabels({ store, limits }: LabelsNeeds): Labels {
  return {
    async change(actor, inboxRef, refs, requested) {
      const change = parseLabelChange(requested, limits)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'message_update', inboxRef)
        const changed: { messageId: string; labels: readonly string[] }[] = []
        for (const ref of refs) {
          const row = await requireMessage(tx, actor, inbox.id, ref)
          const labels = await changeLabels(tx, actorName(actor), row, inbox.address, change, limits)
          changed.push({ messageId: row.api_message_id, labels })
        }
        return changed
      })
    },
  }
}

/** Validates a change by a user. @throws validation_error when it changes nothing, system_label */
export function parseLabelChange(change: LabelChange, limits: Limits): LabelChange {
  const add = parseUserLabels(change.add ?? [], limits)
  const remove = parseUserLabels(change.remove ?? [], limits)
  if (add.length + remove.length === 0) {
    throw new MailError('validation_error', { detail: 'Send add_labels or remove_labels' })
  }
  return { add, remove }
}

/**
 * Changes one message's labels and everything that depends on them: its hidden mask, its thread, the unread count, and
 * one event per label. The caller must lock the inbox, and read the message after that.
 *
 * @param actor the name that `actorName` returns
 * @param limits only for a change by a user: the number of labels is then checked
 * @returns its new labels
 * @throws validation_error when it would have too many
 */
export async function changeLabels(
  tx: Tx,
  actor: string,
  row: messagesTable.NewMessageRow,
  inboxAddress: string,
  change: LabelChange,
  limits?: Limits,
): Promise<readonly string[]> {
  const current = (await messagesTable.labelsOf(tx, [row.id])).get(row.id) ?? []
  const { added, removed, labels } = applyLabels(current, change)
  if (added.length + removed.length === 0) return labels // nothing changed, so no event
  if (limits && added.length > 0 && labels.length > limits.messages.labelsPerMessageMax) {
    throw new MailError('validation_error', {
      detail: `A message can have at most ${limits.messages.labelsPerMessageMax} labels`,
    })
  }

  const hidden = hiddenMask(labels)
  await messagesTable.changeLabels(tx, row.id, { added, removed, hidden })
  await threads.changeLabelCounts(tx, row.thread_id, new Map([...added.map(plusOne), ...removed.map(minusOne)]))
  if (hidden !== row.hidden) await updateThreadVisibility(tx, row, hidden)
  const unread = Number(added.includes('unread')) - Number(removed.includes('unread'))
  const counts = { id: row.inbox_id, message_count: 0, unread_count: unread, thread_count: 0, size_bytes: 0 }
  if (unread !== 0) await tx.runRows([rowStep(inboxes.addCounts, [counts])])

  const message = eventMessage(row, inboxAddress, labels)
  for (const event of labelEvents({ actor, message, added, removed })) tx.append(event)
  return labels
}

const plusOne = (label: string): [string, number] => [label, 1]
const minusOne = (label: string): [string, number] => [label, -1]

/**
 * A thread is hidden while all of its messages are; its list fields are those of the newest message that is not hidden.
 */
async function updateThreadVisibility(tx: Tx, row: messagesTable.NewMessageRow, hidden: number): Promise<void> {
  const [thread] = await threads.listByIds(tx, [row.thread_id])
  if (!thread) return
  const visibleCount = thread.visible_count + Number(hidden === 0) - Number(row.hidden === 0)
  const newest = visibleCount === thread.visible_count ? undefined : await newestShown(tx, thread.id, visibleCount)
  await threads.update(tx, thread.id, {
    ...(newest && listFields(newest)),
    visible_count: visibleCount,
    hidden: visibleCount > 0 ? 0 : await hiddenMaskOfThread(tx, thread.id),
    updated_at: tx.now,
  })
}
