/**
 * Finds the thread of a message in its inbox, only by Message-ID, In-Reply-To and References. Equal subjects do not
 * form a thread: "Hello" from two strangers makes two threads.
 *
 * A thread stores the Message-IDs of its messages and those that they refer to, so that replies that arrive before
 * their parent get the same thread. Threads are never merged: a message that refers to two joins the one of its nearest
 * ancestor.
 */
import { createHash } from 'node:crypto'
import type { Db } from '../../../store/handles.ts'
import * as threads from '../../../store/tables/threads-table.ts'

/**
 * Number of ancestors that are looked up and stored, nearest first. A thread with 50 generations does not need more.
 */
const ANCESTORS_MAX = 50

export interface Ancestry {
  /** Message-ID field; undefined when there is none. */
  readonly messageId?: string | undefined
  readonly inReplyTo: readonly string[]
  /** Oldest first (RFC 5322 §3.6.4). */
  readonly references: readonly string[]
}

/** Returns hashes of a message's own id, then of its ancestors, nearest first; each once. */
export function referenceHashes({ messageId, inReplyTo, references }: Ancestry): string[] {
  const ancestors = [...inReplyTo, ...references.toReversed()]
  const ids = messageId === undefined ? ancestors : [messageId, ...ancestors]
  return [...new Set(ids)].slice(0, ANCESTORS_MAX).map(hashId)
}

/** @returns the thread of the nearest known relative */
export async function findThread(db: Db, inboxId: string, hashes: readonly string[]): Promise<string | undefined> {
  const [nearest] = await threads.findByReferences(db, inboxId, hashes)
  return nearest
}

/** Returns the form in which Message-IDs are looked up: they can be longer than an index key may be. */
export function hashId(messageId: string): string {
  return createHash('sha256').update(messageId).digest('hex')
}
