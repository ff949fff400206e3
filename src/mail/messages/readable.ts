/**
 * Decides whether a reader may see the contents of a message. This one rule applies to requests by id, to events and to
 * stored bodies of webhooks. The classes that hide the message now count, not those of its arrival or of the moment
 * when a body was rendered.
 *
 * A deleted message has no classes any more, and it may have been hidden before. Data of it that is still stored is
 * only for readers who may read every class.
 */
import type { Db } from '../../store/handles.ts'
import type { EventRow } from '../../store/schema/event-rows.ts'
import * as messages from '../../store/tables/messages-table.ts'
import { hasPermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { hiddenClasses, type Permission } from '../access/permissions.ts'
import { isRenderedWithMessage } from '../events/log/message-events.ts'

/** @param message undefined when it was deleted */
export function isReadable(actor: Actor, message: { readonly hidden: number } | undefined): boolean {
  return missingToRead(actor, message?.hidden) === undefined
}

/** @returns a permission that the reader lacks for a message with this hidden mask; undefined when it may read it */
function missingToRead(actor: Actor, hidden: number | undefined): Permission | undefined {
  const lacking = hiddenClasses.find(
    ({ bit, permission }) => (hidden === undefined || (hidden & bit) !== 0) && !hasPermission(actor, permission),
  )
  return lacking?.permission
}

/** The columns of an event that this rule needs. */
type EventAbout = Pick<EventRow, 'type' | 'message_id'>

/** Hidden masks by message id. Deleted messages are missing. */
export type PresentClasses = ReadonlyMap<string, number>

/**
 * Reads which classes hide the messages of some events now, in one statement. It needs no statement when all readers
 * may read every class, or when no event has a message.
 */
export async function presentClasses(
  db: Db,
  pairs: readonly { readonly actor: Actor; readonly event: EventAbout }[],
): Promise<PresentClasses> {
  const ids = new Set<string>()
  for (const { actor, event } of pairs) {
    const isNeeded = isRenderedWithMessage(event.type) && !isReadable(actor, undefined)
    if (isNeeded && event.message_id !== null) ids.add(event.message_id)
  }
  return messages.hiddenMasks(db, [...ids])
}

/** @returns a permission that the reader lacks for the content of the event; undefined when it may read it */
export function missingForEvent(actor: Actor, event: EventAbout, present: PresentClasses): Permission | undefined {
  if (!isRenderedWithMessage(event.type)) return undefined
  return missingToRead(actor, event.message_id === null ? undefined : present.get(event.message_id))
}

export function mayReadEvent(actor: Actor, event: EventAbout, present: PresentClasses): boolean {
  return missingForEvent(actor, event, present) === undefined
}
