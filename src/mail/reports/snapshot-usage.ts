/**
 * Takes snapshots of usage once per limits.reports.snapshotMs: what each inbox, pod and organization contains
 * (docs/adr/0044).
 *
 *   inboxes, page by page: their counters, added up by pod and organization → pods → organizations
 *
 * Only a scope that has changed since its last snapshot gets a new one, except organizations, whose snapshots show
 * that the pass is complete. Pages are read at different times, so a sum may be a few seconds out of date.
 * Crash, stop: the pass begins again. Several nodes: a second pass in the same interval finds no changes.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../config/limits.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { UsageSnapshotRow } from '../../store/schema/report-rows.ts'
import type { Store } from '../../store/store.ts'
import * as usage from '../../store/tables/usage-table.ts'

interface SnapshotNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly clock: () => number
  readonly limits: Limits
}

/** A snapshot before its time is known. */
type Sums = Omit<UsageSnapshotRow, 'scope_id' | 'at'>

const NOTHING: Sums = {
  storage_bytes: 0,
  message_count: 0,
  thread_count: 0,
  inbox_count: 0,
  domain_count: 0,
  pod_count: 0,
}

/** Takes the snapshots that are due. @param signal ends the pass between two pages */
export async function snapshotUsage({ store, clock, limits }: SnapshotNeeds, signal: AbortSignal): Promise<void> {
  const { snapshotMs, snapshotRows, startAgeMsMax } = limits.reports
  const now = clock()
  if (await usage.hasSnapshotSince(store.db, now - (now % snapshotMs))) return
  const sums = new Map<string, Sums>()
  const domains = await usage.domainCounts(store.db)

  for await (const page of pages((after) => usage.listCounters(store.db, after, snapshotRows))) {
    const own = page.map((inbox): [string, Sums] => {
      const { message_count, thread_count, size_bytes: storage_bytes } = inbox
      for (const id of [inbox.pod_id, inbox.organization_id])
        add(id, { ...NOTHING, storage_bytes, message_count, thread_count, inbox_count: 1 })
      return [inbox.id, { ...NOTHING, storage_bytes, message_count, thread_count }]
    })
    await write(own, { isAlways: false })
  }
  for await (const page of pages((after) => usage.listPods(store.db, after, snapshotRows))) {
    for (const { organization_id } of page) add(organization_id, { ...NOTHING, pod_count: 1 })
    await write(
      page.map(({ id }) => [id, sumsOf(id)]),
      { isAlways: false },
    )
  }
  for await (const page of pages((after) => usage.listOrganizations(store.db, after, snapshotRows)))
    await write(
      page.map(({ id }) => [id, sumsOf(id)]),
      { isAlways: true },
    )

  function add(id: string, more: Sums): void {
    const before = sums.get(id) ?? NOTHING
    const sum = Object.entries(before).map(([name, value]) => [name, value + more[name as keyof Sums]])
    sums.set(id, Object.fromEntries(sum) as Sums)
  }

  function sumsOf(id: string): Sums {
    return { ...(sums.get(id) ?? NOTHING), domain_count: domains.get(id) ?? 0 }
  }

  /** Reads a table in order of ids. */
  async function* pages<Row extends { readonly id: string }>(read: (afterId: string) => Promise<Row[]>) {
    let afterId = ''
    for (;;) {
      signal.throwIfAborted()
      const page = await read(afterId)
      if (page.length > 0) yield page
      if (page.length < snapshotRows) return
      afterId = page.at(-1)!.id
      await setImmediate() // yield to the event loop
    }
  }

  async function write(scopes: readonly [string, Sums][], { isAlways }: { isAlways: boolean }): Promise<void> {
    await store.transaction(async (tx) => {
      const ids = scopes.map(([scope_id]) => ({ scope_id }))
      const [rows] = await tx.runRows([rowStep(usage.selectLast, ids)])
      const last = new Map(rows.map((row) => [row.scope_id, row]))
      const changed = scopes.filter(([id, sum]) => isAlways || !isEqual(sum, last.get(id) ?? NOTHING))
      const added = changed.map(([scope_id, sum]): UsageSnapshotRow => ({ scope_id, at: tx.now, ...sum }))
      await tx.runRows([rowStep(usage.insertSnapshots, added)])
      const oldest = tx.now - startAgeMsMax - snapshotMs
      for (const [id] of changed) await usage.removeOld(tx, id, oldest)
    })
  }
}

function isEqual(one: Sums, other: Sums): boolean {
  return Object.keys(NOTHING).every((name) => one[name as keyof Sums] === other[name as keyof Sums])
}
