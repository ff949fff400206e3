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
import {
  ARCHIVED,
  applyLabels,
  type LabelBounds,
  type LabelChange,
  type LabelResult,
  ownLabels,
  parseUserLabels,
} from './label-rules.ts'
import { unreadCountsBetween } from './unread-counts.ts'

export interface Labels {
  /**
   * Changes users' own labels, and `unread`, `spam`, `trash`. If both lists contain a label, it is removed.
   *
   * @param refs messages of one inbox, changed in one transaction
   * @param bounds those of the client, if they are narrower than ours
   * @returns in the order of refs, with their new labels
   * @throws system_label, validation_error, not_found, missing_permission
   */
  change(
    actor: Actor,
    inbox: string,
    refs: readonly string[],
    change: LabelChange,
    bounds?: LabelBounds,
  ): Promise<LabelledMessage[]>
  /**
   * Puts a message away, or back.
   *
   * @throws already_archived, not_found, missing_permission
   */
  setArchived(actor: Actor, inbox: string, ref: string, isArchived: boolean): Promise<LabelledMessage>
}

/** A message with its new labels. */
export interface LabelledMessage {
  readonly id: string
  /** As clients of AgentMail see it. */
  readonly messageId: string
  readonly labels: readonly string[]
}

interface LabelsNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createLabels({ store, limits }: LabelsNeeds): Labels {
  return {
    async change(actor, inboxRef, refs, requested, bounds) {
      const change = parseLabelChange(requested, limits, bounds)
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'message_update', inboxRef)
        const changed: LabelledMessage[] = []
        for (const ref of refs) {
          const row = await requireMessage(tx, actor, inbox.id, ref)
          const labels = await changeLabels(tx, actorName(actor), row, inbox.address, change, limits, bounds)
          changed.push({ id: row.id, messageId: row.api_message_id, labels })
        }
        return changed
      })
    },

    async setArchived(actor, inboxRef, ref, isArchived) {
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const inbox = await lockInbox(tx, actor, 'message_update', inboxRef)
        const row = await requireMessage(tx, actor, inbox.id, ref)
        const before = (await messagesTable.labelsOf(tx, [row.id])).get(row.id) ?? []
        if (isArchived && before.includes(ARCHIVED)) throw new MailError('already_archived', {})
        const change = isArchived ? { add: [ARCHIVED] } : { remove: [ARCHIVED] }
        const labels = await changeLabels(tx, actorName(actor), row, inbox.address, change, limits)
        return { id: row.id, messageId: row.api_message_id, labels }
      })
    },
  }
}

/** Validates a change by a user. @throws validation_error when it changes nothing, system_label */
export function parseLabelChange(change: LabelChange, limits: Limits, bounds?: LabelBounds): LabelChange {
  const add = parseUserLabels(change.add ?? [], limits, bounds?.charsMax)
  const remove = parseUserLabels(change.remove ?? [], limits, bounds?.charsMax)
  if (add.length + remove.length === 0) {
    throw new MailError('validation_error', { detail: 'Name at least one label to add or to remove' })
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
  bounds?: LabelBounds,
): Promise<readonly string[]> {
  const current = (await messagesTable.labelsOf(tx, [row.id])).get(row.id) ?? []
  return changeKnownLabels(tx, actor, { row, labels: current, change }, inboxAddress, limits, bounds)
}

/** Does the same as changeLabels, for a message whose labels have been read. */
export async function changeKnownLabels(
  tx: Tx,
  actor: string,
  { row, labels: current, change }: LabelsToChange,
  inboxAddress: string,
  limits?: Limits,
  bounds?: LabelBounds,
): Promise<readonly string[]> {
  const result = applyLabels(current, change)
  const { added, removed, labels } = result
  if (added.length + removed.length === 0) return labels // nothing changed, so no event
  if (limits) requireFewLabels(result, limits, bounds) // without them, the system changes it
  const hidden = hiddenMask(labels)
  const inThread = [...added.map(plusOne), ...removed.map(minusOne)].map(([label, message_count]) => ({
    ...{ thread_id: row.thread_id, label, message_count },
  }))
  const unread = unreadCountsBetween(current, labels)
  const counts = { id: row.inbox_id, message_count: 0, ...unread, thread_count: 0, size_bytes: 0 }
  await tx.runRows([
    ...messagesTable.labelSteps(tx, row.id, { added, removed, hidden }),
    rowStep(threads.addToLabelCounts, inThread),
    rowStep(inboxes.addCounts, Object.values(unread).some((count) => count !== 0) ? [counts] : []),
  ])
  if (removed.length > 0) await threads.removeUnusedLabels(tx, [row.thread_id])
  if (hidden !== row.hidden) await updateThreadVisibility(tx, row, hidden)

  const message = eventMessage(row, inboxAddress, labels)
  for (const event of labelEvents({ actor, message, added, removed })) tx.append(event)
  return labels
}

/** Changes to the labels of messages whose labels have been read. */
export interface LabelsToChange {
  readonly row: messagesTable.NewMessageRow
  readonly labels: readonly string[]
  readonly change: LabelChange
}

/**
 * As changeLabels for many messages of one inbox, in a few statements for all whose hidden class does not change.
 *
 * @throws validation_error when one would have too many
 */
export async function changeLabelsOfMany(
  tx: Tx,
  actor: string,
  messages: readonly LabelsToChange[],
  inbox: { readonly id: string; readonly address: string },
  limits: Limits,
): Promise<void> {
  const changed = messages
    .map(({ row, labels, change }) => ({ row, current: labels, change, result: applyLabels(labels, change) }))
    .filter(({ result: { added, removed } }) => added.length + removed.length > 0)
  for (const { result } of changed) requireFewLabels(result, limits)
  // What a thread shows of its messages depends on the order of such changes.
  const isHiding = ({ row, result }: (typeof changed)[number]) => hiddenMask(result.labels) !== row.hidden
  for (const { row, change } of changed.filter(isHiding)) {
    await changeLabels(tx, actor, row, inbox.address, change, limits)
  }
  const others = changed.filter((each) => !isHiding(each))
  if (others.length === 0) return
  await messagesTable.changeLabelsOfMany(
    tx,
    others.map(({ row: { id }, result: { added, removed } }) => ({ id, added, removed })),
  )
  const differences = others.flatMap(({ row, result: { added, removed } }) =>
    [...added.map(plusOne), ...removed.map(minusOne)].map(([label, count]) => ({
      ...{ thread_id: row.thread_id, label, message_count: count },
    })),
  )
  await threads.addLabelCounts(tx, differences)
  const counts = { id: inbox.id, ...NO_COUNTS }
  for (const { current, result } of others) {
    const unread = unreadCountsBetween(current, result.labels)
    counts.unread_count += unread.unread_count
    counts.unread_shown_count += unread.unread_shown_count
    counts.unread_unauthenticated_count += unread.unread_unauthenticated_count
  }
  await tx.runRows([rowStep(inboxes.addCounts, [counts])])
  for (const { row, result } of others) {
    const message = eventMessage(row, inbox.address, result.labels)
    for (const event of labelEvents({ actor, message, ...result })) tx.append(event)
  }
}

const NO_COUNTS = {
  ...{ message_count: 0, thread_count: 0, size_bytes: 0 },
  ...{ unread_count: 0, unread_shown_count: 0, unread_unauthenticated_count: 0 },
}

/** @throws validation_error */
function requireFewLabels({ added, labels }: LabelResult, limits: Limits, bounds?: LabelBounds): void {
  if (added.length > 0 && labels.length > limits.messages.labelsPerMessageMax) {
    throw new MailError('validation_error', {
      detail: `A message can have at most ${limits.messages.labelsPerMessageMax} labels`,
    })
  }
  const ownMax = bounds?.ownMax ?? labels.length
  if (ownLabels(added).length > 0 && ownLabels(labels).length > ownMax) {
    throw new MailError('validation_error', { detail: `A message can have at most ${ownMax} labels of your own` })
  }
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
