/** What metrics count: each event of some types once, and the recipients of those that have recipients. */
import type { CountedEvent } from '../../store/tables/events-table.ts'
import type { EventTypeName } from '../events/log/event-types.ts'

/** AgentMail's ten types of events in metrics (docs/compatibility/agentmail.md). */
export const countedTypes = [
  'message.received',
  'message.received.spam',
  'message.received.blocked',
  'message.received.unauthenticated',
  'message.sent',
  'message.delivered',
  'message.bounced',
  'message.complained',
  'message.rejected',
  'domain.verified',
] as const satisfies readonly EventTypeName[]

export type CountedType = (typeof countedTypes)[number]

/** Types of which rates count the recipients. */
export const recipientTypes = ['message.sent', 'message.bounced', 'message.complained'] as const

/** What is counted of an event: it, or its recipients. */
export type Unit = 'events' | 'recipients'

const counted: ReadonlySet<string> = new Set(countedTypes)
const withRecipients: ReadonlySet<string> = new Set(recipientTypes)

/** Returns the name of an hourly count. It is stored in the database: never change one. */
export function metricOf(type: string, unit: Unit): string {
  return unit === 'events' ? type : `recipients:${type}`
}

/** Returns what an event adds to a count. */
export function countOf(event: Pick<CountedEvent, 'payload'>, unit: Unit): number {
  if (unit === 'events') return 1
  const { recipients } = JSON.parse(event.payload) as { readonly recipients?: unknown }
  return Array.isArray(recipients) ? recipients.length : 0
}

/** Returns the hourly counts that an event increases, and by how much. */
export function countsOf(event: Pick<CountedEvent, 'type' | 'payload'>): [metric: string, count: number][] {
  if (!counted.has(event.type)) return []
  const counts: [string, number][] = [[metricOf(event.type, 'events'), 1]]
  if (withRecipients.has(event.type)) counts.push([metricOf(event.type, 'recipients'), countOf(event, 'recipients')])
  return counts
}
