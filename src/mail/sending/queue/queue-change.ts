/**
 * Applies a manual queue change to recipients and records it: an entry in the history, one event per message, and
 * removal of the label `delayed` when it no longer applies. Call it in the transaction that has just found the
 * recipients unleased.
 */
import type { Tx } from '../../../store/handles.ts'
import type { RecipientRow, RecipientState } from '../../../store/schema/sending-rows.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import type { OpenChange } from '../../../store/tables/queue-table.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { messageCancelled, messageHeld, messageReleased, messageSent } from '../../events/log/message-events.ts'
import { changeLabels } from '../../messages/labels/labels.ts'
import { recordReply } from '../../messages/labels/record-reply.ts'
import { eventMessage } from '../../messages/views/event-message.ts'

/**
 * - `hold`: queued → held; no attempt until it is released
 * - `release`: held → queued, due now; its age and attempts restart
 * - `cancel`: queued or held → cancelled, permanently
 * - `retry`: queued → due now
 */
export type QueueAction = 'hold' | 'release' | 'cancel' | 'retry'

export type OpenState = Extract<RecipientState, 'queued' | 'held'>

export type Route = 'relay' | 'direct'

/**
 * Per action: the states it applies to, its word in the history, and its event. A retry changes no state, so it appends
 * no event.
 */
const ACTIONS: Readonly<Record<QueueAction, { from: readonly OpenState[]; done: string; event?: typeof messageHeld }>> =
  {
    hold: { from: ['queued'], done: 'held', event: messageHeld },
    release: { from: ['held'], done: 'released', event: messageReleased },
    cancel: { from: ['queued', 'held'], done: 'cancelled', event: messageCancelled },
    retry: { from: ['queued'], done: 'retried' },
  }

/** Returns the states that a change applies to. */
export function statesBefore(action: QueueAction): readonly OpenState[] {
  return ACTIONS[action].from
}

/** @param route the route of a release; null: the route that the configuration sets for all mail */
export function columnsAfter(tx: Tx, actor: Actor, action: QueueAction, route: Route | null): OpenChange {
  if (action === 'retry') return { next_attempt_at: tx.now } // the last reply of the remote server stays
  const words = { last_code: null, last_enhanced_code: null, last_reply: replyOf(actor, action) }
  if (action === 'hold') return { ...words, state: 'held' }
  if (action === 'cancel') return { ...words, state: 'cancelled' }
  return {
    ...words,
    state: 'queued',
    route,
    attempts: 0,
    next_attempt_at: tx.now,
    released_at: tx.now,
    delay_notice_at: null,
  }
}

/** Writes history, events and labels of the changed recipients. @returns keys of blobs to discard after the commit */
export async function appendChangeEvents(
  tx: Tx,
  actor: Actor,
  action: QueueAction,
  rows: readonly RecipientRow[],
): Promise<string[]> {
  await appendChangeHistory(tx, actor, action, rows)
  const found = await messages.listByIds(tx, [...new Set(rows.flatMap((row) => row.message_id ?? []))])
  const existing = await inboxes.listByIds(tx, [...new Set(found.map((message) => message.inbox_id))])
  const addresses = new Map(existing.map(({ id, address }) => [id, address]))
  // `inbox.deleted` was the last event of a message whose inbox is being deleted.
  const known = found.filter((message) => addresses.has(message.inbox_id))
  for (const message of known) {
    const recipients = rows.filter((row) => row.message_id === message.id).map((row) => row.address)
    await appendChangeEvent(tx, actor, action, message, addresses.get(message.inbox_id)!, recipients)
  }
  if (action !== 'cancel') return []
  // If no message shows a recipient, no call can show its history.
  const shown = new Set(known.map((message) => message.id))
  const lost = rows.filter((row) => row.message_id === null || !shown.has(row.message_id))
  const ids = [...new Set(lost.map((row) => row.submission_id))]
  return contents.removeUnused(tx, await submissions.removeFinished(tx, 'id', ids))
}

/** Appends a manual change to the history of each recipient. */
export async function appendChangeHistory(
  tx: Tx,
  actor: Actor,
  action: QueueAction,
  rows: readonly Pick<RecipientRow, 'id'>[],
): Promise<void> {
  const { done } = ACTIONS[action]
  await submissions.appendHistory(
    tx,
    rows.map((row) => ({
      id: tx.newId(),
      recipient_id: row.id,
      target: 'queue',
      outcome: done,
      code: null,
      enhanced_code: null,
      reply: replyOf(actor, action),
      remote: null,
      tls: null,
      started_at: tx.now,
      ended_at: tx.now,
    })),
  )
}

async function appendChangeEvent(
  tx: Tx,
  actor: Actor,
  action: QueueAction,
  row: messages.StoredMessageRow,
  inboxAddress: string,
  recipients: readonly string[],
): Promise<void> {
  const { event } = ACTIONS[action]
  if (!event) return
  if (action === 'release') await recordSent(tx, actor, row, inboxAddress)
  const isLate = await submissions.isAnyDelayed(tx, row.id)
  const labels = await changeLabels(tx, actorName(actor), row, inboxAddress, { remove: isLate ? [] : ['delayed'] })
  const message = eventMessage(row, inboxAddress, labels)
  const about = { actor: actorName(actor), message, timestamp: tx.now }
  tx.append(event({ ...about, recipients }))
}

/**
 * The first release of a message that was held from the beginning sends it: it gets the label and the event. The event
 * has all recipients that may still get the message, also those that are not released yet.
 */
async function recordSent(tx: Tx, actor: Actor, row: messages.StoredMessageRow, inboxAddress: string): Promise<void> {
  const before = (await messages.labelsOf(tx, [row.id])).get(row.id) ?? []
  if (before.includes('sent')) return
  const labels = await changeLabels(tx, actorName(actor), row, inboxAddress, { add: ['sent'] })
  const inReplyTo = row.in_reply_to === null ? [] : (JSON.parse(row.in_reply_to) as string[])
  await recordReply(tx, actorName(actor), { id: row.inbox_id, address: inboxAddress }, inReplyTo)
  const sentTimestamp = await threads.latestWith(tx, row.thread_id, 'sent')
  await threads.update(tx, row.thread_id, { sent_timestamp: sentTimestamp, updated_at: tx.now })
  const all = await submissions.listRecipients(tx, row.id, tx.leaseNow)
  const recipients = all.filter(({ state }) => state !== 'cancelled').map(({ address }) => address)
  const message = eventMessage(row, inboxAddress, labels)
  tx.append(messageSent({ actor: actorName(actor), message, timestamp: tx.now, recipients }))
}

/** Returns "Held by key:0199…", for the history and as the recipient's last reply. */
export function replyOf(actor: Actor, action: QueueAction): string {
  const { done } = ACTIONS[action]
  return `${done[0]!.toUpperCase()}${done.slice(1)} by ${actorName(actor)}`
}
