/**
 * Where does the disk space of a received message go?
 *
 *   npm run bench -- disk                  # 3,000 messages with 2,000 characters of text (about 5 KB) into 20 inboxes
 *   MESSAGES=10000 INBOXES=1 TEXT_CHARS=500 WEBHOOK=0 DATABASE=postgres npm run bench -- disk
 *
 * It prints the bytes per message of each table with its rows and of each index, of the files of large messages, and of
 * the write-ahead log as it is after the load; also the CPU time of the server per message. Of SQLite it reads the pages
 * of the file (dbstat), of PostgreSQL its own sizes after a VACUUM.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import BetterSqlite from 'better-sqlite3'
import pg from 'pg'
import { atMost, report } from './report.ts'
import { type BenchServer, cpuMs, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'
import { createVariedMail } from './varied-mail.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 3_000)
const INBOXES = Number(process.env.INBOXES ?? 20)
const TEXT_CHARS = Number(process.env.TEXT_CHARS ?? 2_000)
const HAS_WEBHOOK = process.env.WEBHOOK !== '0'
const SESSIONS = Number(process.env.SESSIONS ?? 20)
/** Background work, such as the text index, is over when the server uses less CPU time than this in a second. */
const IDLE_MS = 50
/** Bytes per message of 5 KB. */
const GOALS = { all: 12 * 1_024, textIndex: 1_024 }

interface Used {
  readonly name: string
  readonly bytes: number
}

const sink = createServer((request, response) => request.resume().on('end', () => response.end('ok')))
await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve))
const server = await startBenchServer({ MARTLET_ALLOW_PRIVATE_NETWORKS: 'true' })
try {
  await prepare()
  const sizeBytes = await receive()
  const wal = sizeOf([server.dataDir], (name) => name.endsWith('-wal'))
  await idle()
  const used = server.databaseUrl === undefined ? readSqlite(server.dataDir) : await readPostgres(server.databaseUrl)
  used.push({ name: 'large messages (blobs)', bytes: sizeOf(walk(join(server.dataDir, 'blobs'))) })
  print(used, sizeBytes)
  console.log(`the write-ahead log had ${Math.round(wal / 1_024)} KiB after the load`)
} finally {
  await server.stop()
  sink.close()
}

async function prepare(): Promise<void> {
  for (let inbox = 0; inbox < INBOXES; inbox += 1)
    await server.request('POST', '/inboxes', { username: `load${inbox}` })
  const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`
  if (HAS_WEBHOOK) await server.request('POST', '/webhooks', { url, event_types: ['message.received'] })
}

/** @returns the size of all messages */
async function receive(): Promise<number> {
  const mail = createVariedMail(1, TEXT_CHARS)
  const before = cpuMs(server.pid)
  const writtenBefore = writtenBytes(server)
  let [sent, sizeBytes] = [0, 0]
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = await Session.open(server.smtpPort)
      while (sent < MESSAGES) {
        const to = `load${sent % INBOXES}@mail.localhost`
        const { raw } = mail(sent++, to)
        sizeBytes += raw.length
        await session.deliver('ann@example.test', to, raw)
      }
      await session.quit()
    }),
  )
  console.log(`${((cpuMs(server.pid) - before) / MESSAGES).toFixed(2)} ms of CPU time per message until the last 250`)
  console.log(`${Math.round((writtenBytes(server) - writtenBefore) / MESSAGES / 1_024)} KiB written per message`)
  return sizeBytes
}

async function idle(): Promise<void> {
  for (let last = cpuMs(server.pid); ; ) {
    await delay(1_000)
    const now = cpuMs(server.pid)
    if (now - last < IDLE_MS) return
    last = now
  }
}

function readSqlite(dataDir: string): Used[] {
  const database = new BetterSqlite(join(dataDir, 'martlet.db'), { readonly: true })
  const rows = database
    .prepare(
      `select s.name, s.bytes, coalesce(m.tbl_name, '') as "table" from
         (select name, sum(pgsize) as bytes from dbstat group by name) s
         left join sqlite_master m on m.name = s.name`,
    )
    .all() as { name: string; bytes: number; table: string }[]
  const free = database.pragma('freelist_count', { simple: true }) as number
  database.close()
  return [
    ...rows.map(({ name, bytes, table }) => ({
      name: table === name || table === '' ? name : `${table}: ${name}`,
      bytes,
    })),
    { name: 'free pages', bytes: free * 4_096 },
  ]
}

async function readPostgres(url: string): Promise<Used[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('vacuum')
  const { rows } = await client.query(
    `select c.relname as name, pg_table_size(c.oid)::int as bytes, pg_total_relation_size(c.oid)::int as total, c.oid
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r'`,
  )
  const indexes = await client.query(
    `select t.relname || ': ' || i.relname as name, pg_relation_size(i.oid)::int as bytes
     from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
     join pg_namespace n on n.oid = t.relnamespace where n.nspname = 'public'`,
  )
  await client.end()
  return [...rows, ...indexes.rows].map(({ name, bytes }) => ({ name, bytes }))
}

function print(used: readonly Used[], sizeBytes: number): void {
  const per = (bytes: number) => Math.round(bytes / MESSAGES)
  console.log(`${MESSAGES} messages of ${per(sizeBytes)} bytes, ${INBOXES} inboxes; bytes per message:`)
  for (const { name, bytes } of used.toSorted((a, b) => b.bytes - a.bytes)) {
    if (per(bytes) >= 10) console.log(`${String(per(bytes)).padStart(7)}  ${name}`)
  }
  const sum = (of: readonly Used[]) => per(of.reduce((bytes, each) => bytes + each.bytes, 0))
  const textIndex = used.filter(({ name }) => name.startsWith('search_'))
  const conditions = `a message of ${per(sizeBytes)} bytes, ${INBOXES} inboxes, ${HAS_WEBHOOK ? 'one webhook' : 'no webhook'}`
  report({ what: `disk, ${conditions}`, measured: `${sum(used)} bytes`, ...atMost(sum(used), GOALS.all) })
  report({
    what: `text index, ${conditions}`,
    measured: `${sum(textIndex)} bytes`,
    ...atMost(sum(textIndex), GOALS.textIndex),
  })
}

function walk(folder: string): string[] {
  return [
    folder,
    ...readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [join(entry.parentPath, entry.name)] : [],
    ),
  ]
}

function sizeOf(folders: readonly string[], counts: (name: string) => boolean = () => true): number {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile() && counts(entry.name))
      .map((entry) => join(folder, entry.name)),
  )
  return files.reduce((sum, file) => sum + statSync(file).size, 0)
}

/** What the process has written to the disk, with the write-ahead log (proc(5), `io`). */
function writtenBytes({ pid }: BenchServer): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])
}
