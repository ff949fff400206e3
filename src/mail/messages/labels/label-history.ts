/** Reconstructs earlier labels of a message from the log: each label event contains the labels after its change. */
import { hiddenMask } from '../../access/permissions.ts'
import type { Event } from '../../events/log/event.ts'
import { isMessageEvent, type LabelPayload } from '../../events/log/message-events.ts'

export const labelTypes = ['label.added', 'label.removed'] as const

/** One change of one message: one event, or all events of one label change. */
export interface MessageChange {
  readonly messageId: string
  readonly events: readonly [Event, ...Event[]]
  /** Its last event: the change is complete after it. */
  readonly last: Event
}

/**
 * Groups events, in order, by change. A label change appends one event per label, each with the labels after the whole
 * change. Two changes in a row never leave a message with the same labels, so equal labels mean the same change.
 */
export function changesOf(events: readonly Event[]): MessageChange[] {
  const changes: { messageId: string; events: [Event, ...Event[]]; last: Event }[] = []
  for (const event of events) {
    if (event.messageId === undefined) continue
    const current = changes.at(-1)
    if (current && isSameChange(current.last, event)) {
      current.events.push(event)
      current.last = event
    } else changes.push({ messageId: event.messageId, events: [event], last: event })
  }
  return changes
}

function isSameChange(one: Event, next: Event): boolean {
  return (
    one.messageId === next.messageId &&
    isMessageEvent(one, ...labelTypes) &&
    isMessageEvent(next, ...labelTypes) &&
    one.payload.labels.length === next.payload.labels.length &&
    one.payload.labels.every((label) => next.payload.labels.includes(label))
  )
}

/** Returns the labels before and after a label change; undefined for any other change. */
export function labelsAround({
  events,
  last,
}: MessageChange): { before: readonly string[]; after: readonly string[] } | undefined {
  if (!isMessageEvent(last, ...labelTypes)) return undefined
  const after = last.payload.labels
  const before = new Set(after)
  for (const { type, payload } of events) {
    const { label } = payload as unknown as LabelPayload
    if (type === 'label.added') before.delete(label)
    else before.add(label)
  }
  return { before: [...before], after }
}

/** The part of a filter that depends on labels. */
export interface LabelCriteria {
  readonly labels: readonly string[]
  readonly hiddenMask: number
}

export function matchesLabels(labels: readonly string[], criteria: LabelCriteria): boolean {
  return criteria.labels.every((label) => labels.includes(label)) && (hiddenMask(labels) & criteria.hiddenMask) === 0
}
