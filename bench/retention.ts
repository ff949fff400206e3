/**
 * Does the sweep of the event log delay concurrent writers?
 *
 *   npm run bench -- retention        EVENTS=200000 old ones
 *
 * One writer commits one small row after another, first alone and then while all old events are swept, with the same
 * store in the same process, as in the server. The result is the ratio of the two commit times.
 */
import { sweepEvents } from '../src/mail/events/log/retention.ts'
import type { Store } from '../src/store/store.ts'
import { openBenchStore } from './open-store.ts'

const EVENTS = Number(process.env.EVENTS ?? 200_000)
/** Rows per insert transaction. */
const CHUNK = 5_000

const bench = await openBenchStore()
const { store, limits } = bench
try {
  await makeOldEvents(store, EVENTS)
  const alone: number[] = []
  for (let commit = 0; commit < 500; commit += 1) alone.push(await commitOne(store))

  let isOver = false
  const start = performance.now()
  const sweeping = sweepEvents({ store, clock: Date.now, limits }, new AbortController().signal).then((count) => {
    isOver = true
    return { count, ms: performance.now() - start }
  })
  const beside: number[] = []
  while (!isOver) beside.push(await commitOne(store))
  const { count, ms } = await sweeping
  console.log(`${count} events swept in ${(ms / 1_000).toFixed(1)} s, ${Math.round(count / (ms / 1_000))}/s`)
  print('a commit, alone', alone)
  print('a commit, beside the sweep', beside)
  console.log(`ratio: p50 ${ratio(0.5)}, p99 ${ratio(0.99)}`)

  function ratio(share: number): string {
    return (percentile(beside, share) / percentile(alone, share)).toFixed(2)
  }
} finally {
  await bench.close()
}

/** Inserts events from 31 days ago, each as large as that of a received message. */
async function makeOldEvents(store: Store, total: number): Promise<void> {
  const at = Date.now() - 31 * 24 * 60 * 60_000
  const payload = JSON.stringify({ labels: ['received', 'unread'], thread: 'x'.repeat(700) })
  for (let first = 1; first <= total; first += CHUNK) {
    await store.transaction(async (tx) => {
      const rows = Array.from({ length: Math.min(CHUNK, total - first + 1) }, (_, index) => ({
        seq: first + index,
        event_id: tx.newId(),
        at,
        organization_id: 'bench',
        pod_id: null,
        inbox_id: 'bench',
        type: 'message.received',
        visibility: 'public' as const,
        actor: 'bench',
        message_id: null,
        payload,
      }))
      for (let from = 0; from < rows.length; from += 500) {
        await tx
          .insertInto('events')
          .values(rows.slice(from, from + 500))
          .execute()
      }
      await tx
        .updateTable('event_log')
        .set({ last_seq: first + rows.length - 1 })
        .execute()
    })
  }
}

async function commitOne(store: Store): Promise<number> {
  const start = performance.now()
  await store.transaction(async (tx) => {
    await tx.insertInto('secrets').values({ kind: 'bench', name: tx.newId(), value: 'x', created_at: tx.now }).execute()
  })
  return performance.now() - start
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

function print(name: string, values: readonly number[]): void {
  const at = (share: number) => percentile(values, share).toFixed(2)
  console.log(`${name}: ${values.length} of them, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`)
}
