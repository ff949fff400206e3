/** Makes a mailbox large in seconds: delivering a million messages would take half an hour. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { BenchServer } from './server.ts'

const ROWS_AT_ONCE = 50_000
/** Columns of a copy that differ from those of the original. Its number is :base + n. */
const OWN: Readonly<Record<string, string>> = {
  number: 'null',
  id: "printf('00000000-0000-7000-8000-%012x', :base + n)",
  api_message_id: "printf('<%d@copy.test>', :base + n)",
  api_message_id_hash: "printf('%064x', (:base + n) * 2654435761)",
  header_message_id_hash: "printf('%064x', (:base + n) * 2654435761)",
  fingerprint: "printf('%064x', (:base + n) * 2654435761)",
  timestamp: 'timestamp - 1000 * (:base + n)',
}

/**
 * Copies the messages of an inbox with their labels, each older than the one before, until it has `count`. They share
 * contents and threads, and the text index does not know them. SQLite only.
 */
export function multiplyMessages({ dataDir, databaseUrl }: BenchServer, address: string, count: number): void {
  if (databaseUrl !== undefined) throw new Error('only on SQLite')
  const database = new Database(join(dataDir, 'martlet.db'), { timeout: 10_000 })
  database.pragma('synchronous = off')
  database.pragma('cache_size = -400000')
  const of = 'from messages join inboxes on inboxes.id = inbox_id where inboxes.address = ?'
  const ids = database.prepare(`select messages.id ${of} order by messages.id`).pluck().all(address) as string[]
  database.exec('create temp table originals (position integer primary key, id text)')
  const original = database.prepare('insert into originals values (?, ?)')
  for (const [index, id] of ids.entries()) original.run(index, id)
  const columns = (database.pragma('table_info(messages)') as { name: string }[]).map(({ name }) => name)
  const numbers = 'with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n + 1 < :rows)'
  const sources = `from numbers join originals on position = (:base + n) % ${ids.length}`
  const messages = database.prepare(
    `${numbers} insert into messages (${columns.join(', ')})
     select ${columns.map((name) => OWN[name] ?? `messages.${name}`).join(', ')}
     ${sources} join messages on messages.id = originals.id`.replaceAll(' timestamp -', ' messages.timestamp -'),
  )
  const labels = database.prepare(
    `${numbers} insert into message_labels (message_id, label)
     select ${OWN.id}, label ${sources} join message_labels on message_id = originals.id`,
  )
  for (let base = ids.length; base < count; base += ROWS_AT_ONCE) {
    const values = { base, rows: Math.min(ROWS_AT_ONCE, count - base) }
    database.transaction(() => [messages.run(values), labels.run(values)]).immediate()
  }
  database.close()
}
