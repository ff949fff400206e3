/** Selects the events of a log range for a replay: those that match the webhook now and do not already wait. */
import type { Limits } from '../../../config/limits.ts'
import type { Db } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookReplayRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as log from '../../../store/tables/webhook-log-table.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { isToldOf, list, targetOf } from '../dispatch/matching.ts'

type Stretch = Omit<WebhookReplayRow, 'id' | 'term' | 'created_at'>

export interface Replayed {
  readonly events: readonly EventRow[]
  /** The last position examined; the end of the range when nothing is left. */
  readonly throughSeq: number
}

/** Returns the next events, in order. The number of examined rows is bounded too. */
export async function selectReplayed(
  db: Db,
  webhook: WebhookRow,
  stretch: Stretch,
  limits: Pick<Limits, 'eventBatchMax' | 'listScanRowsMax'>,
): Promise<Replayed> {
  const target = targetOf(webhook)
  const asked = list(stretch.event_types)
  const types = [...target.filter.types].filter((type) => asked.length === 0 || asked.includes(type))
  const afterSeq = stretch.position_seq
  const throughSeq = Math.min(afterSeq + limits.listScanRowsMax, stretch.through_seq)
  if (types.length === 0) return { events: [], throughSeq: stretch.through_seq }

  const rows = await events.listSelected(db, { ...target.filter, types, afterSeq, throughSeq }, limits.eventBatchMax)
  const told = rows.filter(
    (row) =>
      row.at >= stretch.start_at &&
      row.at < stretch.end_at &&
      isToldOf(target, { row, payload: JSON.parse(row.payload) as Record<string, unknown> }),
  )
  const reader = target.actor
  const present = await presentClasses(
    db,
    told.map((event) => ({ reader, event })),
  )
  const readable = told.filter((event) => mayReadEvent(reader, event, present))
  const standings = await log.standingsOfEvents(
    db,
    webhook.id,
    readable.map(({ seq }) => seq),
  )
  return {
    events: readable.filter(({ seq }) => isReplayed(standings.get(seq), stretch)),
    throughSeq: rows.length === limits.eventBatchMax ? rows.at(-1)!.seq : throughSeq,
  }
}

/** @param delivery the webhook's delivery of the event; undefined: none */
export function isReplayed(
  delivery: Omit<log.DeliveryStanding, 'seq'> | undefined,
  { is_only_failed }: Pick<WebhookReplayRow, 'is_only_failed'>,
): boolean {
  if (delivery?.state === 'failed' || delivery?.state === 'cancelled') return true
  // Its retry may be a day away, and a caller who requests a replay expects the receiver to be available again.
  if (delivery?.state === 'pending') return delivery.attempts > delivery.attempts_before
  return is_only_failed === 0 && (delivery === undefined || delivery.state === 'delivered')
}
