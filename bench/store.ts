/**
 * What share of the speed of SQLite and the disk does the store reach?
 *
 *   npm run bench -- store
 *
 * A transaction is one small row and one event. Bare better-sqlite3 writes the same rows with the same pragmas and
 * prepared statements, which gives the limit. Everything runs in one process, one after another, on the disk of the
 * current folder. Rounds alternate because a shared machine is never equally fast twice; the median of the rounds is
 * printed.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import BetterSqlite from 'better-sqlite3'
import { withLimits } from '../src/config/limits.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { openStore, type Store } from '../src/store/store.ts'

const ROUNDS = 5
const ROUND_MS = 1_500
const GROUP = 50

const folder = mkdtempSync(join(process.cwd(), '.bench-store-'))
try {
  await run()
} finally {
  rmSync(folder, { recursive: true })
}

async function run(): Promise<void> {
  const limits = withLimits({
    store: { transactionGroupMax: Math.max(GROUP, withLimits().store.transactionGroupMax) },
  })
  const store = await openStore({
    config: { dataDir: join(folder, 'store'), limits },
    log: createLog('warn'),
    metrics: createMetrics(),
    clock: Date.now,
    random: randomBytes,
  })
  const bare = openBare(join(folder, 'bare.db'))
  const delay = monitorEventLoopDelay({ resolution: 1 })

  const cases: Record<string, () => Promise<number>> = {
    'fsync of 4 KiB': async () => fsyncs(),
    'bare, alone': async () => bare.commits(1),
    'store, alone': () => storeTransactions(store, 1),
    [`bare, groups of ${GROUP}`]: async () => bare.commits(GROUP),
    [`store, ${GROUP} at once`]: () => storeTransactions(store, GROUP, delay),
  }
  const figures = new Map(Object.keys(cases).map((name) => [name, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, measure] of Object.entries(cases)) figures.get(name)!.push(await measure())
  }
  for (const [name, rounds] of figures) console.log(`${name.padEnd(24)} ${Math.round(median(rounds))}/s`)
  const ratio = (a: string, b: string) => (median(figures.get(a)!) / median(figures.get(b)!)).toFixed(2)
  console.log(`store/bare alone         ${ratio('store, alone', 'bare, alone')}`)
  console.log(`store/bare in groups     ${ratio(`store, ${GROUP} at once`, `bare, groups of ${GROUP}`)}`)
  console.log(`event loop delay         p50 ${ms(delay.percentile(50))} p99 ${ms(delay.percentile(99))} ms (in groups)`)
  await store.close()
  bare.close()
}

/** Returns how many times per second a page can be appended and made durable: no commit can be faster. */
function fsyncs(): number {
  const file = openSync(join(folder, 'fsync'), 'w')
  const page = Buffer.alloc(4_096, 1)
  const rate = perSecond(() => {
    writeSync(file, page)
    fsyncSync(file)
    return 1
  })
  closeSync(file)
  return rate
}

function openBare(path: string) {
  const database = new BetterSqlite(path)
  for (const pragma of ['page_size = 4096', 'auto_vacuum = incremental', 'journal_mode = wal', 'synchronous = full']) {
    database.pragma(pragma)
  }
  database.exec(`
    create table organizations (id text primary key, name text, created_at integer, updated_at integer) strict;
    create table event_log (id integer primary key, last_seq integer) strict;
    insert into event_log values (1, 0);
    create table events (seq integer primary key, event_id text, at integer, organization_id text, pod_id text,
      inbox_id text, type text, visibility text, actor text, message_id text, payload text) strict;
    create index events_by_inbox on events (inbox_id, seq) where inbox_id is not null;
    create index events_by_age on events (type, at);`)
  const insert = database.prepare('insert into organizations values (?, ?, ?, ?)')
  const draw = database.prepare('update event_log set last_seq = last_seq + ? returning last_seq')
  const insertEvent = database.prepare('insert into events values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const [begin, commit] = [database.prepare('begin immediate'), database.prepare('commit')]
  return {
    commits: (group: number) =>
      perSecond(() => {
        begin.run()
        const now = Date.now()
        for (let n = 0; n < group; n++) insert.run(randomBytes(18).toString('hex'), 'bench', now, now)
        const { last_seq } = draw.get(group) as { last_seq: number }
        for (let seq = last_seq - group + 1; seq <= last_seq; seq++) {
          insertEvent.run(
            seq,
            randomBytes(18).toString('hex'),
            now,
            'o',
            'p',
            'i',
            'bench',
            'public',
            'bench',
            null,
            '{}',
          )
        }
        commit.run()
        return group
      }),
    close: () => database.close(),
  }
}

async function storeTransactions(
  store: Store,
  concurrency: number,
  delay?: ReturnType<typeof monitorEventLoopDelay>,
): Promise<number> {
  const startedAt = performance.now()
  const endsAt = startedAt + ROUND_MS
  let count = 0
  delay?.enable()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (; performance.now() < endsAt; count++) {
        await store.transaction(async (tx) => {
          const times = { created_at: tx.now, updated_at: tx.now }
          await tx
            .insertInto('organizations')
            .values({ id: tx.newId(), name: 'bench', ...times })
            .execute()
          tx.append({
            type: 'bench',
            visibility: 'public',
            actor: 'bench',
            payload: {},
            organizationId: 'o',
            podId: 'p',
            inboxId: 'i',
          })
        })
      }
    }),
  )
  delay?.disable()
  return (count * 1_000) / (performance.now() - startedAt)
}

function perSecond(work: () => number): number {
  const startedAt = performance.now()
  let count = 0
  while (performance.now() - startedAt < ROUND_MS) count += work()
  return (count * 1_000) / (performance.now() - startedAt)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function ms(nanoseconds: number): string {
  return (nanoseconds / 1e6).toFixed(1)
}
