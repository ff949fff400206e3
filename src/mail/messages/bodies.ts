/** The kept bodies of messages, read from rows or blobs and unpacked. */
import type { Db } from '../../store/schema.ts'
import type { Blobs } from '../../store/store.ts'
import * as contents from '../../store/tables/contents.ts'
import type { StoredMessageRow } from '../../store/tables/messages.ts'
import type { Message } from './message.ts'
import { type Bodies, unpack } from './reading.ts'
import { showMessages } from './showing.ts'

/** Messages with their bodies, in the order of the rows. */
export async function showWhole(db: Db, blobs: Blobs, rows: readonly StoredMessageRow[]): Promise<Message[]> {
  const items = await showMessages(db, rows)
  const bodies = await loadBodies(db, blobs, rows)
  return items.map((item, index) => ({ ...item, ...bodies.get(rows[index]!.content_id)! }))
}

async function loadBodies(db: Db, blobs: Blobs, rows: readonly StoredMessageRow[]): Promise<Map<string, Bodies>> {
  const byContent = new Map<string, Bodies>()
  for (const row of await contents.getParsed(db, [...new Set(rows.map((each) => each.content_id))])) {
    const packed = row.parsed_blob_key === null ? row.parsed! : await readAll(blobs, row.parsed_blob_key)
    byContent.set(row.id, unpack(packed))
  }
  return byContent
}

async function readAll(blobs: Blobs, key: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blobs.get(key)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
