/**
 * Makes hourly counts from the event log: a durable reader of the log (docs/adr/0044).
 *
 *   every limits.reports.foldMs: next events → counts by scope, hour and type → one transaction moves the reader's
 *   cursor and adds the counts
 *
 * Filing and deliveries write no counts themselves: the event is committed with the change, and is counted once.
 * Crash: the cursor and the counts are one transaction, so each event is counted exactly once.
 * Several nodes: the cursor moves only from the position that this node has read; the losing node reads again.
 * Failure: logged and counted by the sweeps, and tried again. Queries also count the events after the cursor, and
 *   retention keeps them (readThrough).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { EventRow } from '../../store/schema/event-rows.ts'
import type { RollupRow } from '../../store/schema/report-rows.ts'
import type { Store } from '../../store/store.ts'
import * as consumers from '../../store/tables/event-consumers-table.ts'
import * as events from '../../store/tables/events-table.ts'
import * as rollups from '../../store/tables/rollups-table.ts'
import { HOUR_MS, periodStart } from './buckets.ts'
import { countsOf } from './counted-events.ts'

/** The name of its cursor in the table `event_consumers`. */
export const CONSUMER = 'reports'

export interface FoldEvents {
  /** Resolve this before events can be committed: a new reader begins at the end of the log. */
  open(): Promise<void>
  /** Counts all new events. */
  run(signal: AbortSignal): Promise<void>
  /** Events up to this one are counted and may be removed from the log. */
  readThrough(): number
}

interface FoldNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly limits: Limits
}

export function createFoldEvents({ store, limits }: FoldNeeds): FoldEvents {
  const { foldRows } = limits.reports
  let position = 0

  return {
    async open() {
      position = await store.transaction((tx) => consumers.openCursor(tx, CONSUMER))
    },

    async run(signal) {
      for (;;) {
        signal.throwIfAborted()
        position = await consumers.requireCursor(store.db, CONSUMER)
        const rows = await events.listAfter(store.db, position, foldRows)
        const last = rows.at(-1)
        if (!last) return
        const isCounted = await store.transaction(async (tx) => {
          const isMoved = await consumers.moveCursor(tx, CONSUMER, position, last.seq)
          if (isMoved) await tx.runRows([rowStep(rollups.addAll, rollupsOf(rows))])
          return isMoved
        })
        if (isCounted) position = last.seq
        if (isCounted && rows.length < foldRows) return
        await delay(limits.events.sweepPauseMs)
      }
    },

    readThrough: () => position,
  }
}

/** Returns what to add: one row per scope, hour and metric. */
function rollupsOf(rows: readonly EventRow[]): RollupRow[] {
  const byKey = new Map<string, RollupRow>()
  for (const row of rows) {
    const hour = periodStart(row.at, HOUR_MS)
    const scopes = [row.organization_id, row.pod_id, row.inbox_id].filter((id) => id !== null)
    for (const [metric, count] of countsOf(row))
      for (const scope_id of scopes) {
        const key = `${scope_id} ${hour} ${metric}`
        const known = byKey.get(key)
        if (known) known.count += count
        else byKey.set(key, { scope_id, hour, metric, count })
      }
  }
  return [...byKey.values()]
}
