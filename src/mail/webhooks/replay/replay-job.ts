/**
 * Creates the deliveries of a replay, in batches.
 *
 *   position of the replay → next events → render bodies, outside any transaction → one transaction moves the position
 *   and inserts the deliveries
 *
 * Crash, stop: the position and the deliveries are one transaction, so the job continues there and adds nothing twice.
 * Failure: the job runner retries from the same position. An event whose body cannot be rendered is logged and skipped.
 * The job ends early when the webhook is disabled or deleted. If retention deletes events first, this is logged.
 */

import type { Limits } from '../../../config/limits.ts'
import { isTemporary } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Tx } from '../../../store/handles.ts'
import type { EventRow } from '../../../store/schema/event-rows.ts'
import type { WebhookReplayRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as webhookDeliveries from '../../../store/tables/webhook-deliveries-table.ts'
import * as webhookReplays from '../../../store/tables/webhook-replays-table.ts'
import * as webhooks from '../../../store/tables/webhooks-table.ts'
import type { KeyActor } from '../../access/actor.ts'
import { toEvent } from '../../events/log/event.ts'
import type { JobHandler } from '../../jobs/jobs.ts'
import { redeliver } from '../delivery/redeliver.ts'
import { compressBody } from '../delivery/webhook-body.ts'
import { requireProfile, type WebhookProfile } from '../delivery/webhook-profile.ts'
import { newWebhookDelivery } from '../dispatch/insert-deliveries.ts'
import { matcherOf } from '../dispatch/matching.ts'
import { advance } from '../ordering/ordering.ts'
import { selectReplayed, shouldReplay } from './replay-selection.ts'

/** Bounds one transaction: the bodies of its events are in memory at once. */
const EVENTS_PER_COMMIT = 50

interface ReplayJobNeeds {
  readonly store: Store
  readonly profiles: readonly WebhookProfile[]
  readonly signalPending: (webhookIds: readonly string[]) => void
  readonly log: Log
  readonly limits: Limits
}

/** An event, and its body if the webhook has no delivery of it yet. */
interface Rendered {
  readonly eventRow: EventRow
  readonly body: Uint8Array | undefined
}

/** Handles jobs REPLAY_WEBHOOK; the key is the webhook's id. */
export function createReplayWebhook({ store, profiles, signalPending, log, limits }: ReplayJobNeeds): JobHandler {
  return async function replayWebhook({ key: webhookId, signal }) {
    for (;;) {
      signal.throwIfAborted()
      const replay = await webhookReplays.getOf(store.db, webhookId)
      if (!replay) return
      const webhook = await webhooks.getById(store.db, webhookId)
      const isOver = !webhook || !isOn(webhook, replay) || replay.position_seq >= replay.through_seq
      if (isOver) {
        await store.transaction((tx) => webhookReplays.remove(tx, replay.id))
        return
      }
      const found = await selectReplayed(store.db, webhook, replay, {
        eventsMax: EVENTS_PER_COMMIT,
        rowsMax: limits.lists.scanRowsMax,
      })
      await warnOfLost(replay)
      const { rendered, throughSeq } = await renderSome(webhook, found.events, found.throughSeq)
      await store.transaction((tx) => write(tx, replay, rendered, throughSeq))
      signalPending([webhookId])
    }
  }

  /** Renders bodies up to a bound of their total size. */
  async function renderSome(webhook: WebhookRow, some: readonly EventRow[], throughSeq: number) {
    const { actor } = matcherOf(webhook)
    const profile = requireProfile(profiles, webhook.profile)
    const known = await webhookDeliveries.statesByEvents(
      store.db,
      webhook.id,
      some.map(({ seq }) => seq),
    )
    const rendered: Rendered[] = []
    let bytes = 0
    for (const eventRow of some) {
      if (bytes >= limits.webhooks.batchBytesMax) return { rendered, throughSeq: eventRow.seq - 1 }
      const body = known.has(eventRow.seq) ? undefined : await render(profile, eventRow, actor)
      rendered.push({ eventRow, body: body === undefined ? undefined : await compressBody(body) })
      bytes += Buffer.byteLength(body ?? '')
    }
    return { rendered, throughSeq }
  }

  async function render(profile: WebhookProfile, eventRow: EventRow, actor: KeyActor): Promise<string | undefined> {
    try {
      return await profile.render(toEvent(eventRow, store.epoch), actor)
    } catch (error) {
      if (isTemporary(error)) throw error
      log.error({ err: error, seq: eventRow.seq }, 'replaying an event failed; event skipped')
      return undefined
    }
  }

  async function warnOfLost({ webhook_id, position_seq }: WebhookReplayRow): Promise<void> {
    const { floor_seq } = await events.requireLog(store.db)
    if (floor_seq <= position_seq) return
    log.warn(
      { webhook: webhook_id, position_seq, floor_seq },
      'retention deleted events of a replay before they were sent',
    )
  }
}

async function write(tx: Tx, replay: WebhookReplayRow, rendered: readonly Rendered[], throughSeq: number) {
  const webhook = await webhooks.lockById(tx, replay.webhook_id)
  if (!webhook || !isOn(webhook, replay)) return
  if (!(await webhookReplays.move(tx, replay.id, replay.position_seq, throughSeq))) return // another node runs this replay now
  const seqs = rendered.map(({ eventRow }) => eventRow.seq)
  const locked = new Map((await webhookDeliveries.lockByEvents(tx, webhook.id, seqs)).map((row) => [row.seq, row]))
  const fresh = rendered.flatMap(({ eventRow, body }) =>
    body === undefined || locked.has(eventRow.seq) ? [] : [newWebhookDelivery(tx, { eventRow, webhook, body })],
  )
  await webhookDeliveries.insert(tx, fresh)
  await advance(
    tx,
    webhook,
    fresh.flatMap(({ ordering_key }) => ordering_key ?? []),
  )
  const redelivered = rendered.flatMap(({ eventRow }) => {
    const row = locked.get(eventRow.seq)
    return row && shouldReplay(row, replay) ? [{ row, inboxId: eventRow.inbox_id }] : []
  })
  await redeliver(tx, webhook, redelivered)
}

function isOn(webhook: WebhookRow, replay: WebhookReplayRow): boolean {
  return webhook.is_enabled === 1 && webhook.term === replay.term
}
