/** Finds a message by a caller's reference: our id, or its Message-ID with or without brackets. */
import { MailError } from '../../../errors.ts'
import { isUuid, pathSafeMessageId, trimMessageId } from '../../../formats/ids.ts'
import type { Db } from '../../../store/handles.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as wholeMessages from '../../../store/tables/whole-messages-table.ts'
import type { Actor } from '../../access/actor.ts'
import { isReadable } from '../readable.ts'
import { hashId } from '../threads/threading.ts'

/** @throws not_found, also for a message in a hidden class that the key may not read */
export async function requireMessage(
  db: Db,
  actor: Actor,
  inboxId: string,
  ref: string,
): Promise<messages.StoredMessageRow> {
  const row = await find(ref, {
    byApiId: (hash) => messages.getByApiId(db, inboxId, hash),
    byId: (id) => messages.getById(db, inboxId, id),
  })
  return requireReadable(actor, row)
}

/**
 * The same with the bodies, in the same statement.
 *
 * @param bytesMax longer bodies are not loaded
 */
export async function requireWholeMessage(
  db: Db,
  actor: Actor,
  inboxId: string,
  ref: string,
  bytesMax: number,
): Promise<wholeMessages.WholeMessageRow> {
  const row = await find(ref, {
    byApiId: (hash) => wholeMessages.getByApiId(db, inboxId, hash, bytesMax),
    byId: (id) => wholeMessages.getById(db, inboxId, id, bytesMax),
  })
  return requireReadable(actor, row)
}

function requireReadable<Row extends { readonly hidden: number }>(actor: Actor, row: Row | undefined): Row {
  if (!row || !isReadable(actor, row)) throw new MailError('not_found', { what: 'Message' })
  return row
}

interface Lookup<Row> {
  readonly byApiId: (hash: string) => Promise<Row | undefined>
  readonly byId: (id: string) => Promise<Row | undefined>
}

async function find<Row>(ref: string, { byApiId, byId }: Lookup<Row>): Promise<Row | undefined> {
  for (const hash of hashesOf(ref)) {
    const row = await byApiId(hash)
    if (row) return row
  }
  return isUuid(ref) ? byId(ref) : undefined
}

/** A message that a reference means. */
export interface MessageKey {
  readonly id: string
  readonly hidden: number
}

/**
 * Finds many messages with two statements, or one if no reference is a UUID.
 *
 * @returns the messages that exist and that the actor may see, by reference
 */
export async function findMessages(
  db: Db,
  actor: Actor,
  inboxId: string,
  refs: readonly string[],
): Promise<Map<string, MessageKey>> {
  const hashes = new Map(refs.map((ref) => [ref, hashesOf(ref)]))
  const byHash = await messages.keysByApiIds(db, inboxId, [...hashes.values()].flat())
  const byId = await messages.keysByIds(db, inboxId, refs.filter(isUuid))
  const found = new Map<string, MessageKey>()
  for (const ref of refs) {
    const hash = hashes.get(ref)!.find((each) => byHash.has(each))
    const key = hash === undefined ? byId.get(ref) : byHash.get(hash)
    if (key && isReadable(actor, key)) found.set(ref, key)
  }
  return found
}

/**
 * Returns the hashes by which a Message-ID is stored: as clients see it, and for the id of a header field that is not safe
 * in a path, the form that is. The first one found is meant, so that every id that a client has seen finds its message.
 */
function hashesOf(ref: string): string[] {
  const id = `<${trimMessageId(ref)}>`
  return [...new Set([id, pathSafeMessageId(id)])].map(hashId)
}
