/**
 * Renders the bodies of events for the webhooks that match them, outside any transaction. Part of dispatch.ts. Webhooks
 * with the same profile and permissions share one body.
 */
import type { Limits } from '../../../config/limits.ts'
import { isTemporary } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import { forbiddenMask } from '../../access/access.ts'
import type { KeyActor } from '../../access/actor.ts'
import { type Event, toEvent } from '../../events/log/event.ts'
import type { SenderTrust } from '../../messages/sender-trust.ts'
import type { EventSubjects } from '../../messages/views/event-subject.ts'
import { compressBody } from '../delivery/webhook-body.ts'
import { requireProfile, type WebhookProfile } from '../delivery/webhook-profile.ts'
import { matchesNew, type WebhookMatcher } from './matching.ts'
import { matchesSender, type SenderFilter } from './sender-filter.ts'

/** Failed tries after which an event is skipped because its body cannot be rendered. */
const RENDER_TRIES = 5
/** Bounds one transaction, so that the first delivery of a burst does not wait for the bodies of the last. */
const DELIVERIES_PER_COMMIT = 50

/** A delivery to be written. */
export interface PreparedDelivery {
  readonly eventRow: EventRow
  readonly payload: Event['payload']
  readonly webhook: WebhookRow
  /** Compressed (../delivery/webhook-body.ts). */
  readonly body: Uint8Array
  /** Before compression. */
  readonly bodyBytes: number
}

export interface PrepareDeliveriesNeeds {
  readonly store: Store
  readonly eventSubjects: Pick<EventSubjects, 'of'>
  readonly senderTrust: Pick<SenderTrust, 'isVerified'>
  readonly profiles: readonly WebhookProfile[]
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

interface PreparedBatch {
  readonly prepared: PreparedDelivery[]
  /** The last event that was examined. */
  readonly throughSeq: number
}

export function createPrepareDeliveries(needs: PrepareDeliveriesNeeds) {
  const { store, eventSubjects, senderTrust, profiles, log, metrics, limits } = needs
  /** The event that could not be rendered, and how often. */
  const failed = { seq: 0, times: 0 }
  return prepareDeliveries

  /** Renders bodies for the matching webhooks, up to a bound of number and size. */
  async function prepareDeliveries(
    rows: readonly EventRow[],
    matchers: readonly WebhookMatcher[],
  ): Promise<PreparedBatch> {
    const prepared: PreparedDelivery[] = []
    let bytes = 0
    for (const row of rows) {
      if (matchers.length > 0 && row.visibility !== 'internal') {
        for (const each of await prepareOne(row, matchers)) {
          prepared.push(each)
          bytes += each.bodyBytes
        }
      }
      const isFull = prepared.length >= DELIVERIES_PER_COMMIT || bytes >= limits.webhooks.batchBytesMax
      if (isFull) return { prepared, throughSeq: row.seq }
    }
    return { prepared, throughSeq: rows.at(-1)!.seq }
  }

  /** Whether the webhook wants messages of this sender. A deleted message has none. */
  async function isFromItsSenders(event: Event, actor: KeyActor, { sender_filter }: WebhookRow): Promise<boolean> {
    if (sender_filter === null) return true
    const subject = await eventSubjects.of(event, actor, limits.webhooks.bodyBytesMax) // which its profile reads too
    if (!subject?.message) return false
    return matchesSender(JSON.parse(sender_filter) as SenderFilter, subject.message, senderTrust)
  }

  async function prepareOne(eventRow: EventRow, matchers: readonly WebhookMatcher[]): Promise<PreparedDelivery[]> {
    try {
      const event = toEvent(eventRow, store.epoch)
      const matching = matchers.filter((matcher) => matchesNew(matcher, { eventRow, payload: event.payload }))
      const bodies = new Map<string, Pick<PreparedDelivery, 'body' | 'bodyBytes'> | undefined>()
      const prepared: PreparedDelivery[] = []
      for (const { webhook, actor } of matching) {
        if (!(await isFromItsSenders(event, actor, webhook))) continue
        const form = `${webhook.profile} ${forbiddenMask(actor)}` // webhooks that may see the same data share one body
        if (!bodies.has(form)) {
          const text = await requireProfile(profiles, webhook.profile).render(event, actor)
          bodies.set(
            form,
            text === undefined ? text : { body: await compressBody(text), bodyBytes: Buffer.byteLength(text) },
          )
        }
        const body = bodies.get(form)
        if (body !== undefined) prepared.push({ eventRow, payload: event.payload, webhook, ...body })
      }
      return prepared
    } catch (error) {
      // The store or the disk failed, not this event: the event waits until they work again.
      if (isTemporary(error)) throw error
      failed.times = failed.seq === eventRow.seq ? failed.times + 1 : 1
      failed.seq = eventRow.seq
      if (failed.times < RENDER_TRIES) throw error
      metrics.backgroundErrors.inc({ loop: 'webhook dispatch' })
      log.error(
        { err: error, seq: eventRow.seq, type: eventRow.type },
        'rendering an event for webhooks failed; event skipped',
      )
      return []
    }
  }
}
