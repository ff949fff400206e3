/**
 * Selects the events of a log range for a replay: those that match the webhook now, except those whose delivery waits
 * for its first attempt.
 */
import type { Db } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookReplayRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { matcherOf, matches, parseList } from '../dispatch/matching.ts'

type ReplayRange = Omit<WebhookReplayRow, 'id' | 'term' | 'created_at'>

export interface Replayed {
  readonly events: readonly EventRow[]
  /** The last position examined; the end of the range when nothing is left. */
  readonly throughSeq: number
}

/** Returns the next events, in order. The number of examined rows is bounded too. */
export async function selectReplayed(
  db: Db,
  webhook: WebhookRow,
  range: ReplayRange,
  { eventsMax, rowsMax }: { readonly eventsMax: number; readonly rowsMax: number },
): Promise<Replayed> {
  const matcher = matcherOf(webhook)
  const requestedTypes = parseList(range.event_types)
  const types = [...matcher.filter.types].filter((type) => requestedTypes.length === 0 || requestedTypes.includes(type))
  const afterSeq = range.position_seq
  const throughSeq = Math.min(afterSeq + rowsMax, range.through_seq)
  if (types.length === 0) return { events: [], throughSeq: range.through_seq }

  const rows = await events.listSelected(db, { ...matcher.filter, types, afterSeq, throughSeq }, eventsMax)
  const matching = rows.filter(
    (row) =>
      row.at >= range.start_at &&
      row.at < range.end_at &&
      matches(matcher, { eventRow: row, payload: JSON.parse(row.payload) as Record<string, unknown> }),
  )
  const { actor } = matcher
  const present = await presentClasses(
    db,
    matching.map((event) => ({ actor, event })),
  )
  const readable = matching.filter((event) => mayReadEvent(actor, event, present))
  const states = await webhookDeliveries.statesByEvents(
    db,
    webhook.id,
    readable.map(({ seq }) => seq),
  )
  return {
    events: readable.filter(({ seq }) => shouldReplay(states.get(seq), range)),
    throughSeq: rows.length === eventsMax ? rows.at(-1)!.seq : throughSeq,
  }
}

/** @param delivery the webhook's delivery of the event; undefined: none */
export function shouldReplay(
  delivery: Omit<webhookDeliveries.DeliveryState, 'seq'> | undefined,
  { is_only_failed }: Pick<WebhookReplayRow, 'is_only_failed'>,
): boolean {
  if (delivery?.state === 'failed' || delivery?.state === 'cancelled') return true
  // Its retry may be a day away, and a caller who requests a replay expects the receiver to be available again.
  if (delivery?.state === 'pending') return delivery.attempts > delivery.attempts_before
  return is_only_failed === 0 && (delivery === undefined || delivery.state === 'delivered')
}
