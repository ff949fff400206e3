/**
 * Turns events into deliveries: a durable reader of the log (docs/adr/0015).
 *
 *   commit signal or poll interval → next events → matching webhooks → render bodies, outside any transaction → one
 *   transaction moves the reader's cursor and inserts the deliveries → signal to the worker, which claims and sends them
 *
 * Crash: the cursor and the deliveries are one transaction, so an event is either read again or fully processed.
 * Several nodes: the cursor moves only from the position that this node has read. The losing node discards its batch
 *   and resumes at the winner's cursor.
 * Failure: logged, counted, and retried from the same position. An event whose body still cannot be rendered after some
 *   tries is skipped, so that it does not block all later events.
 * Without webhooks, a commit costs nothing: once per poll interval the reader only checks whether a webhook exists.
 * Stop: finishes the batch that is being written; the rest is read after the next start.
 * Must not: send requests (webhook-worker.ts), or know what a body looks like (a profile does).
 */
import type { Limits } from '../../../config/limits.ts'
import { isTemporary } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Metrics } from '../../../metrics.ts'
import { createPollLoop } from '../../../store/commit/poll-loop.ts'
import type { Tx } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as consumers from '../../../store/tables/event-consumers-table.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import { forbiddenMask } from '../../access/access.ts'
import { type Event, toEvent } from '../../events/log/event.ts'
import { mayReadEvent, presentClasses } from '../../messages/readable.ts'
import { requireProfile, type WebhookProfile } from '../delivery/webhook-profile.ts'
import type { WebhookWorker } from '../delivery/webhook-worker.ts'
import { advance, isOrdered } from '../ordering/ordering.ts'
import { matcherOf, matchesNew, type WebhookMatcher } from './matching.ts'
import { newWebhookDelivery } from './new-delivery.ts'

const NAME = 'webhooks'
/** Failed tries after which an event is skipped because its body cannot be rendered. */
const RENDER_TRIES = 5
/** Bounds one transaction, so that the first delivery of a burst does not wait for the bodies of the last. */
const DELIVERIES_PER_COMMIT = 50

export interface Dispatch {
  /** Resolve this before events that match webhooks can be committed. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Signals that a webhook was enabled on this node. */
  signalEnabled(): void
  /** Events up to this one are processed and may be removed. Undefined: no webhook waits for any event. */
  readThrough(): number | undefined
}

interface DispatchNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly worker: Pick<WebhookWorker, 'signalPending'>
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: Limits
}

/** A delivery to be written. */
interface Prepared {
  readonly eventRow: EventRow
  readonly payload: Event['payload']
  readonly webhook: WebhookRow
  readonly body: string
}

export function createDispatch({ store, profiles, worker, log, metrics, limits }: DispatchNeeds): Dispatch {
  const loop = createPollLoop({
    name: 'webhook dispatch',
    poll,
    pollMs: limits.events.pollMs,
    logFields: () => ({ position }),
    limits,
    log,
    metrics,
  })
  let stopListening: (() => void) | undefined
  /** `committed`: the cursor in the database; `position`: how far this node has read. No event in between matched. */
  let committed = 0
  let position = 0
  let isIdle = true
  const failed = { seq: 0, times: 0 }

  return {
    async start() {
      committed = await store.transaction((tx) => consumers.openCursor(tx, NAME))
      position = committed
      stopListening = store.onCommit(() => {
        if (!isIdle) loop.pollSoon()
      })
      loop.pollSoon()
    },

    async stop() {
      stopListening?.()
      await loop.stop()
    },

    signalEnabled: loop.pollSoon,

    readThrough: () => (isIdle ? undefined : position),
  }

  async function poll(): Promise<number | undefined> {
    const isMore = await step()
    return isMore ? 0 : undefined
  }

  /** Processes one batch. Returns whether there may be more. */
  async function step(): Promise<boolean> {
    if (isIdle && !(await wake())) return false
    // Read events before webhooks: a webhook created in between starts after all of these events.
    const rows = await events.listAfter(store.db, position, limits.events.batchMax)
    if (rows.length === 0) return false
    const organizations = new Set(rows.map((row) => row.organization_id))
    const matchers = (await webhooks.listEnabled(store.db, [...organizations])).map(matcherOf)
    if (matchers.length === 0) isIdle = (await webhooks.earliestStart(store.db)) === undefined

    const { prepared, throughSeq } = await prepare(rows, matchers)
    if (prepared.length > 0 || throughSeq - committed >= limits.events.batchMax) await write(prepared, throughSeq)
    else position = throughSeq
    return throughSeq < rows.at(-1)!.seq || rows.length === limits.events.batchMax
  }

  /** Webhooks exist again: skip the events before the earliest of their cursors. */
  async function wake(): Promise<boolean> {
    const earliest = await webhooks.earliestStart(store.db)
    if (earliest === undefined) return false
    committed = await consumers.requireCursor(store.db, NAME)
    position = Math.max(committed, earliest)
    isIdle = false
    return true
  }

  /** Renders bodies for the matching webhooks, up to a bound of number and size. */
  async function prepare(
    rows: readonly EventRow[],
    matchers: readonly WebhookMatcher[],
  ): Promise<{ prepared: Prepared[]; throughSeq: number }> {
    const prepared: Prepared[] = []
    let bytes = 0
    for (const row of rows) {
      if (matchers.length > 0 && row.visibility !== 'internal') {
        for (const each of await prepareOne(row, matchers)) {
          prepared.push(each)
          bytes += Buffer.byteLength(each.body)
        }
      }
      const isFull = prepared.length >= DELIVERIES_PER_COMMIT || bytes >= limits.webhooks.batchBytesMax
      if (isFull) return { prepared, throughSeq: row.seq }
    }
    return { prepared, throughSeq: rows.at(-1)!.seq }
  }

  async function prepareOne(eventRow: EventRow, matchers: readonly WebhookMatcher[]): Promise<Prepared[]> {
    try {
      const event = toEvent(eventRow, store.epoch)
      const matching = matchers.filter((matcher) => matchesNew(matcher, { eventRow, payload: event.payload }))
      const bodies = new Map<string, string | undefined>()
      const prepared: Prepared[] = []
      for (const { webhook, actor } of matching) {
        const form = `${webhook.profile} ${forbiddenMask(actor)}` // webhooks that may see the same share one body
        if (!bodies.has(form)) bodies.set(form, await requireProfile(profiles, webhook.profile).render(event, actor))
        const body = bodies.get(form)
        if (body !== undefined) prepared.push({ eventRow, payload: event.payload, webhook, body })
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

  async function write(prepared: readonly Prepared[], throughSeq: number): Promise<void> {
    try {
      const webhookIds = await store.transaction((tx) => insertAll(tx, prepared, throughSeq))
      committed = throughSeq
      position = throughSeq
      worker.signalPending(webhookIds)
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
      committed = await consumers.requireCursor(store.db, NAME)
      position = committed
    }
  }

  /** @returns the webhooks that have a new delivery. @throws Overtaken */
  async function insertAll(tx: Tx, prepared: readonly Prepared[], throughSeq: number): Promise<Set<string>> {
    if (!(await consumers.moveCursor(tx, NAME, committed, throughSeq))) throw new Overtaken()
    const ids = [...new Set(prepared.map(({ webhook }) => webhook.id))]
    // Read the webhooks again: one may have been disabled, disabled and enabled, or given another URL while bodies were
    // rendered. Lock them until the commit, or a delivery could be inserted after the job that should cancel or order it.
    const current = (await webhooks.lockByIds(tx, ids)).filter(({ is_enabled }) => is_enabled === 1)
    const matchers = new Map(current.map((row) => [row.id, matcherOf(row)]))
    const wanted = prepared.flatMap((each) => {
      const matcher = matchers.get(each.webhook.id)
      if (!matcher || !matchesNew(matcher, each)) return []
      return [{ ...each, event: each.eventRow, actor: matcher.actor, webhook: matcher.webhook }]
    })
    const present = await presentClasses(tx, wanted) // a message may have been hidden while bodies were rendered
    const readable = wanted.filter(({ actor, event }) => mayReadEvent(actor, event, present))
    const rows = readable.map((each) => newWebhookDelivery(tx, each))
    await webhookDeliveries.insert(tx, rows)
    for (const webhook of current.filter(isOrdered)) {
      const keys = rows.flatMap(({ webhook_id, ordering_key }) => (webhook_id === webhook.id ? [ordering_key!] : []))
      await advance(tx, webhook, keys)
    }
    return new Set(rows.map(({ webhook_id }) => webhook_id))
  }
}

/** Thrown when another node has already processed these events. */
class Overtaken extends Error {}
