/**
 * Reads what is stored for messages beside their bytes: bodies, decompressed from rows or blobs, and the codes and
 * links in them.
 */

import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Verification } from '../../../formats/verification/verification.ts'
import type { Db } from '../../../store/handles.ts'
import type { Blobs } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import type { StoredMessageRow } from '../../../store/tables/messages-table.ts'
import type { Message } from '../views/message.ts'
import { showMessages } from '../views/message-views.ts'
import { type Bodies, decompressBodies, findVerification } from './parsed-message.ts'

/** Returns messages with their bodies, in the order of the rows. */
export async function showWhole(
  db: Db,
  blobs: Blobs,
  rows: readonly StoredMessageRow[],
  limits: Limits,
): Promise<Message[]> {
  const items = await showMessages(db, rows)
  const bodies = await loadBodies(db, blobs, rows, limits)
  return items.map((item, index) => ({ ...item, ...bodies.get(rows[index]!.content_id)! }))
}

/** Maps content ids to bodies, codes and links. */
async function loadBodies(
  db: Db,
  blobs: Blobs,
  rows: readonly StoredMessageRow[],
  limits: Limits,
): Promise<Map<string, Bodies & Verification>> {
  const subjects = new Map(rows.map((row) => [row.content_id, row.subject ?? undefined]))
  const byContent = new Map<string, Bodies & Verification>()
  for (const row of await contents.getParsed(db, [...subjects.keys()])) {
    const compressed = row.parsed_blob_key === null ? row.parsed! : await readAll(blobs, row.parsed_blob_key)
    // let other work run: a large body takes a while, and callers often request hundreds of messages
    await setImmediate()
    const bodies = decompressBodies(compressed)
    byContent.set(row.id, { ...bodies, ...verificationOf(row.verification, subjects.get(row.id), bodies) })
  }
  return byContent

  /** A message without stored codes and links is searched each time it is shown. */
  function verificationOf(found: string | null, subject: string | undefined, { text, html }: Bodies): Verification {
    if (found !== null) return JSON.parse(found) as Verification
    return findVerification({ subject, text, html }, limits)
  }
}

async function readAll(blobs: Blobs, key: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blobs.get(key)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
