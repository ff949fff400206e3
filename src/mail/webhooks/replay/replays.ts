/**
 * Requests a replay: events of a time range are sent to a webhook again. This file counts the events and enqueues the
 * job (replay-job.ts) that creates their deliveries. Both select by the rules of replay-selection.ts.
 *
 * Retention limits a replay: a range that begins before the earliest event in the log is rejected, with the time of
 * that event.
 *
 * A count reads the log of all tenants, so the range of one is bounded, few run at once, and it pauses as other searches
 * of the log do. It ends when its client has disconnected.
 */
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { WebhookReplayRow, WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as webhookReplays from '../../../store/tables/webhook-replays-table.ts'
import { assertKeyUnchanged } from '../../access/access.ts'
import type { Actor, Within } from '../../access/actor.ts'
import type { RequestWait } from '../../events/feed/long-poll.ts'
import { checkEventType } from '../../events/feed/subscription-filter.ts'
import { lastSeqBefore } from '../../events/log/seq-at-time.ts'
import { CapacityShares } from '../../jobs/capacity-shares.ts'
import { REPLAY_WEBHOOK } from '../../jobs/job-kinds.ts'
import { enqueue } from '../../jobs/jobs.ts'
import { formatList } from '../config/filter-change.ts'
import { lockWebhook, requireWebhook } from '../config/webhook-lookup.ts'
import { checkEnabled } from '../delivery/redeliver.ts'
import { selectReplayed } from './replay-selection.ts'

export interface ReplayRequest {
  /** Earliest time of the events, epoch ms, inclusive. */
  readonly start: number
  /** Exclusive; default: now. */
  readonly end?: number | undefined
  /** Empty or undefined: all types that the webhook is subscribed to. */
  readonly eventTypes?: readonly string[] | undefined
  /** Replay only events whose delivery has not succeeded: failed, cancelled, or waiting for a retry. */
  readonly isOnlyFailed?: boolean | undefined
  /** Only counts the events; sends and changes nothing. */
  readonly isDryRun?: boolean | undefined
}

export interface Replay {
  /**
   * Number of events that match the webhook at the time of the call, except those whose delivery waits for its first
   * attempt.
   */
  readonly count: number
  readonly start: number
  readonly end: number
  readonly isDryRun: boolean
}

export interface Replays {
  /**
   * A job sends the events of a time range, in log order, whether or not they were sent to the webhook before. Event
   * ids stay the same.
   *
   * @param request.isDryRun is answered during another replay too
   * @param end when the count ends early
   * @throws validation_error, range_expired (the log does not go back to `start`), replay_too_wide, webhook_disabled,
   *   replay_running, too_many_at_once; shutting_down when it ended early
   */
  replay(actor: Actor, within: Within, ref: string, request: ReplayRequest, end: CountEnd): Promise<Replay>
}

/** Signals that end a count: the client has disconnected, or the server must respond now. */
export type CountEnd = Pick<RequestWait, 'disconnected' | 'draining'>

interface ReplayNeeds {
  readonly store: Store
  /** The profile whose webhooks it finds. */
  readonly profileName: string
  readonly clock: () => number
  readonly limits: Limits
}

export function createReplays({ store, profileName, clock, limits }: ReplayNeeds): Replays {
  const { replayEventsMax, replayRowsMax, replayCountsMax } = limits.webhooks
  const shares = new CapacityShares(replayCountsMax)

  return {
    async replay(actor, within, ref, request, countEnd) {
      const end = request.end ?? clock()
      checkRange(request, end)
      const isDryRun = request.isDryRun ?? false
      const { row: webhook } = await requireWebhook(store.db, actor, 'webhook_update', {
        within,
        ref,
        profile: profileName,
      })
      if (!isDryRun) {
        checkEnabled(webhook)
        await refuseIfRunning(store.db, webhook) // before the count; the transaction checks again
      }
      const wanted = await asRow(store.db, webhook, request, end)
      const count = await withinCapacity(webhook, () => countOf(webhook, wanted, countEnd))
      if (!isDryRun) {
        await store.transaction(async (tx) => {
          await assertKeyUnchanged(tx, actor)
          const { row: locked } = await lockWebhook(tx, actor, 'webhook_update', { within, ref, profile: profileName })
          checkEnabled(locked)
          await refuseIfRunning(tx, locked)
          await begin(tx, locked, wanted)
        })
      }
      return { count, start: request.start, end, isDryRun }
    },
  }

  /** @throws range_expired */
  async function asRow(db: Db, webhook: WebhookRow, request: ReplayRequest, end: number): Promise<Wanted> {
    const logRow = await events.requireLog(db)
    const { floor_seq } = logRow
    if (floor_seq > 0) {
      const [oldest] = await events.listAges(db, floor_seq, 1)
      const from = oldest?.at ?? end
      if (request.start < from) throw new MailError('range_expired', { from: new Date(from).toISOString() })
    }
    const {
      events: { disorderMs },
    } = limits // within this margin each event is checked
    return {
      webhook_id: webhook.id,
      position_seq: await lastSeqBefore(db, request.start - disorderMs, logRow),
      through_seq: await lastSeqBefore(db, end + disorderMs, logRow),
      start_at: request.start,
      end_at: end,
      event_types: formatList([...new Set(request.eventTypes ?? [])]),
      is_only_failed: request.isOnlyFailed ? 1 : 0,
    }
  }

  /** @throws too_many_at_once */
  async function withinCapacity(webhook: WebhookRow, count: () => Promise<number>): Promise<number> {
    const owner = { organizationId: webhook.organization_id, podId: webhook.pod_id }
    if (shares.capacity(owner) === 0) {
      throw new MailError('too_many_at_once', { what: 'requests for a replay', max: replayCountsMax })
    }
    shares.add(owner, 1)
    try {
      return await count()
    } finally {
      shares.add(owner, -1)
    }
  }

  /** @throws validation_error when there are too many; replay_too_wide, shutting_down */
  async function countOf(webhook: WebhookRow, wanted: Wanted, { disconnected, draining }: CountEnd): Promise<number> {
    if (wanted.through_seq - wanted.position_seq > replayRowsMax) {
      throw new MailError('replay_too_wide', { eventsMax: replayRowsMax })
    }
    let count = 0
    let rowsRead = 0
    let position = wanted.position_seq
    while (position < wanted.through_seq) {
      // Nobody reads the response of a client that has disconnected.
      if (disconnected.aborted || draining.aborted) throw new MailError('shutting_down', {})
      const found = await selectReplayed(
        store.db,
        webhook,
        { ...wanted, position_seq: position },
        { eventsMax: limits.events.batchMax, rowsMax: limits.lists.scanRowsMax },
      )
      count += found.events.length
      rowsRead += found.throughSeq - position
      position = found.throughSeq
      if (count > replayEventsMax) {
        const detail = `A replay can have at most ${replayEventsMax} events; choose a shorter time range or fewer event types`
        throw new MailError('validation_error', { detail, path: ['start'] })
      }
      if (rowsRead < limits.lists.scanRowsMax)
        await setImmediate() // let other work run
      else {
        await delay(limits.events.searchPauseMs)
        rowsRead = 0
      }
    }
    return count
  }
}

/** The fields of a replay before its row exists. */
type Wanted = Omit<WebhookReplayRow, 'id' | 'term' | 'created_at'>

/** @throws replay_running */
async function refuseIfRunning(db: Db, webhook: WebhookRow): Promise<void> {
  if (await webhookReplays.getOf(db, webhook.id)) throw new MailError('replay_running', {})
}

async function begin(tx: Tx, webhook: WebhookRow, wanted: Wanted): Promise<void> {
  await webhookReplays.insert(tx, { id: tx.newId(), ...wanted, term: webhook.term, created_at: tx.now })
  await enqueue(tx, { kind: REPLAY_WEBHOOK, key: webhook.id })
}

function checkRange({ start, eventTypes = [] }: ReplayRequest, end: number): void {
  if (start >= end) throw new MailError('validation_error', { detail: 'start must be before end', path: ['start'] })
  for (const name of eventTypes) checkEventType(name)
}
