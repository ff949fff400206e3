/**
 * The seven event types of services that do not tell kinds of received mail apart (AgentPost, inboxai). There, mail whose
 * sender could not be authenticated is a `message.received` too; spam, blocked mail and trash have no event.
 */
import { MailError } from '../../../errors.ts'
import { type EventTypeName, standardTypes } from './event-types.ts'

const UNAUTHENTICATED = 'message.received.unauthenticated'

/** Types of the log that are one `message.received` there. */
export const receivedTypes = ['message.received', UNAUTHENTICATED] as const

const ALSO_RECEIVED: readonly string[] = [UNAUTHENTICATED]

export const sevenTypes = [
  'message.received',
  'message.sent',
  'message.delivered',
  'message.bounced',
  'message.complained',
  'message.rejected',
  'domain.verified',
] as const satisfies readonly EventTypeName[]

/**
 * Returns the types of the log for those that a client names; none: all seven.
 *
 * @throws validation_error for another type
 */
export function readEventTypes(named: readonly string[] | undefined) {
  const unknown = named?.find((type) => !(sevenTypes as readonly string[]).includes(type))
  if (unknown !== undefined) {
    const detail = `Unknown event type "${unknown.slice(0, 100)}"; the types are ${sevenTypes.join(', ')}`
    throw new MailError('validation_error', { detail, path: ['event_types'] })
  }
  const wanted = named?.length ? named : undefined
  const isWithReceived = wanted === undefined || wanted.includes('message.received')
  return { eventTypes: wanted, extraEventTypes: isWithReceived ? ALSO_RECEIVED : undefined }
}

/** Returns the seven types that types of the log have; undefined: the standard types. */
export function shownEventTypes(types: readonly string[] | undefined): readonly string[] {
  const all = new Set((types ?? [...standardTypes]).map(shownEventType))
  return sevenTypes.filter((type) => all.has(type))
}

/** Returns the type as these services name it. Others are returned as they are. */
export function shownEventType(type: string): string {
  return type === UNAUTHENTICATED ? 'message.received' : type
}

/** Whether an event of this type has a form in these services. */
export function isOneOfSeven(type: string): boolean {
  return (sevenTypes as readonly string[]).includes(shownEventType(type))
}
