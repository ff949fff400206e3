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
import { matchesSender } from './sender-filter.ts'

/** Failed tries after which an event is skipped, for the webhooks whose body cannot be rendered. */
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

type Body = Pick<PreparedDelivery, 'body' | 'bodyBytes'>

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
  /**
   * Forms of bodies, and ids of webhooks with a filter of senders, for which an event was skipped. Until one of them succeeds, their
   * events are tried once: each further try would delay the events of all other webhooks.
   */
  const failing = new Set<string>()
  return prepareDeliveries

  /**
   * Renders bodies for the matching webhooks, up to a bound of number and size, or to an event that fails. So only the first
   * event of a batch throws: otherwise two that fail would begin to count each other's tries again, for ever.
   */
  async function prepareDeliveries(
    rows: readonly EventRow[],
    matchers: readonly WebhookMatcher[],
  ): Promise<PreparedBatch> {
    const prepared: PreparedDelivery[] = []
    let bytes = 0
    let throughSeq: number | undefined
    for (const row of rows) {
      if (matchers.length > 0 && row.visibility !== 'internal') {
        try {
          for (const each of await prepareOne(row, matchers)) {
            prepared.push(each)
            bytes += each.bodyBytes
          }
        } catch (error) {
          if (throughSeq === undefined) throw error
          return { prepared, throughSeq } // the next batch begins with this event, and reports the error
        }
      }
      throughSeq = row.seq
      const isFull = prepared.length >= DELIVERIES_PER_COMMIT || bytes >= limits.webhooks.batchBytesMax
      if (isFull) break
    }
    return { prepared, throughSeq: throughSeq! }
  }

  /** Whether the webhook wants messages of this sender. A deleted message has none. */
  async function isFromItsSenders(event: Event, { actor, senders }: WebhookMatcher): Promise<boolean> {
    if (senders === undefined) return true
    const subject = await eventSubjects.of(event, actor, limits.webhooks.bodyBytesMax) // which its profile reads too
    if (!subject?.message) return false
    return matchesSender(senders, subject.message, senderTrust)
  }

  async function prepareOne(eventRow: EventRow, matchers: readonly WebhookMatcher[]): Promise<PreparedDelivery[]> {
    const times = failed.seq === eventRow.seq ? failed.times : 0
    const isLastTry = times === RENDER_TRIES - 1
    try {
      const event = toEvent(eventRow, store.epoch)
      const matching = matchers.filter((matcher) => matchesNew(matcher, { eventRow, payload: event.payload }))
      const bodies = new Map<string, Body | undefined>()
      const prepared: PreparedDelivery[] = []
      for (const matcher of matching) {
        const { webhook, actor } = matcher
        const form = `${webhook.profile} ${forbiddenMask(actor)}` // webhooks that may see the same data share one body
        let step = webhook.id
        try {
          const isWanted = await isFromItsSenders(event, matcher)
          failing.delete(step)
          if (!isWanted) continue
          step = form
          if (!bodies.has(form)) {
            bodies.set(form, await renderBody(event, webhook, actor))
            failing.delete(step)
          }
        } catch (error) {
          if (isTemporary(error) || !(isLastTry || failing.has(step))) throw error
          if (step === form) bodies.set(form, undefined) // a filter says nothing about the other webhooks
          failing.add(step)
          reportSkipped(error, eventRow, webhook.id)
          continue
        }
        const body = bodies.get(form)
        if (body !== undefined) prepared.push({ eventRow, payload: event.payload, webhook, ...body })
      }
      return prepared
    } catch (error) {
      // The store or the disk failed, not this event: the event waits until they work again.
      if (isTemporary(error)) throw error
      failed.times = times + 1
      failed.seq = eventRow.seq
      if (!isLastTry) throw error
      reportSkipped(error, eventRow)
      return []
    }
  }

  /** @returns undefined if the dialect cannot represent the event, or this actor may not have it */
  async function renderBody(event: Event, webhook: WebhookRow, actor: KeyActor): Promise<Body | undefined> {
    const text = await requireProfile(profiles, webhook.profile).render(event, actor)
    return text === undefined ? undefined : { body: await compressBody(text), bodyBytes: Buffer.byteLength(text) }
  }

  /** @param webhookId one of the webhooks that do not get it; undefined: no webhook gets it */
  function reportSkipped(error: unknown, { seq, type }: EventRow, webhookId?: string): void {
    metrics.backgroundErrors.inc({ loop: 'webhook dispatch' })
    const about = { err: error, seq, type, ...(webhookId !== undefined && { webhook: webhookId }) }
    log.error(about, 'rendering an event for webhooks failed; event skipped')
  }
}
