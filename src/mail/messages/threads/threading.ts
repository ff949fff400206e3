/**
 * Finds the thread of a message in its inbox, only by Message-ID, In-Reply-To and References. Equal subjects do not
 * form a thread: "Hello" from two strangers makes two threads.
 *
 * A thread stores the Message-IDs of its messages and those that they refer to, so that replies that arrive before
 * their parent get the same thread. Threads are never merged: a message that refers to two joins the one of its nearest
 * ancestor.
 *
 * Anyone can refer to a Message-ID that does not exist yet, or use one that does, and some are easy to guess. So a message
 * joins the thread of a message to which it replies, whatever its subject; but a thread that only knows its id, or an id
 * that both refer to, it joins only with the same subject (RFC 8621 §3; docs/adr/0040).
 */
import { hash } from 'node:crypto'
import { relayPart } from '../../../formats/ids.ts'
import { splitSubject } from '../../../formats/reply/reply-context.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { NewMessageRow } from '../../../store/tables/messages-table.ts'
import { addReferences, setReferences } from '../../../store/tables/thread-references-table.ts'

/**
 * Number of ancestors that are looked up and stored, nearest first. A thread with 50 generations does not need more.
 */
export const ANCESTORS_MAX = 50

/** Characters of a base subject that are compared: splitSubject reads 300 with the prefixes. */
const COMPARED_CHARS = 200

/** Six bits each. */
const HASH_CHARS = 24

export interface Ancestry {
  /** Message-ID field; undefined when there is none. */
  readonly messageId?: string | undefined
  readonly inReplyTo: readonly string[]
  /** Oldest first (RFC 5322 §3.6.4). */
  readonly references: readonly string[]
}

/** A Message-ID, and whether a message of the thread has it; otherwise its messages only refer to it. */
export interface Reference {
  readonly hash: string
  readonly isOwn: boolean
}

/** A Message-ID that a message has or refers to. */
export interface Relative extends Reference {
  /** The hash under which it is stored if it is one that only our relay can have given. */
  readonly relayHash: string | undefined
}

/** Returns a message's own id, then its ancestors, nearest first; each once. */
export function relativesOf(ancestry: Ancestry): Relative[] {
  return relatives(ancestry).map((id) => {
    const relayId = relayPart(id)
    return {
      hash: hashId(id),
      isOwn: id === ancestry.messageId,
      relayHash: relayId === undefined ? undefined : hashRelayId(relayId),
    }
  })
}

/** Whether a message joins a thread that has, or refers to, one of its relatives. */
export function joins(
  message: { readonly ownHash: string | undefined; readonly subject: string | undefined },
  relative: Reference,
  thread: { readonly subject: string | null },
): boolean {
  if (relative.isOwn && relative.hash !== message.ownHash) return true // it is a reply
  return comparedSubject(thread.subject) === comparedSubject(message.subject)
}

/** The start of the base subject: of a long subject, fewer characters are read behind "Re:" than without it. */
function comparedSubject(subject: string | null | undefined): string {
  return splitSubject(subject ?? '').base.slice(0, COMPARED_CHARS)
}

/**
 * Returns the hashes by which the thread of a message is found, nearest first: those of its relatives, and of the ids
 * that a relay may have given to our messages among them.
 */
export function lookupHashes(found: readonly Relative[]): string[] {
  const hashes: string[] = []
  for (const { hash, relayHash } of found) {
    hashes.push(hash)
    if (relayHash !== undefined) hashes.push(relayHash)
  }
  return hashes
}

/** What a message refers to, as it is stored: Message-IDs, and those that only our relay can have given. */
export interface AncestorHashes {
  readonly ids: readonly string[]
  readonly relayIds: readonly string[]
}

/** Returns the hashes of a message's ancestors, nearest first. */
export function ancestorHashes({ inReplyTo, references }: Omit<Ancestry, 'messageId'>): AncestorHashes {
  const ids = relatives({ inReplyTo, references })
  const relayIds = ids.map(relayPart).filter((id) => id !== undefined)
  return { ids: ids.map(hashId), relayIds: relayIds.map(hashRelayId) }
}

/** Returns ids, each once. */
function relatives({ messageId, inReplyTo, references }: Ancestry): string[] {
  const ancestors = [...inReplyTo, ...references.toReversed()]
  const ids = messageId === undefined ? ancestors : [messageId, ...ancestors]
  return [...new Set(ids)].slice(0, ANCESTORS_MAX)
}

/**
 * Adds the id that our relay gave to a sent message, because replies refer to it. The domain behind it depends on the
 * relay's region and is not known.
 *
 * @param relayId from the relay's reply (`findRelayId`), never from mail
 */
export async function addRelayId(
  tx: Tx,
  message: { readonly inbox_id: string; readonly thread_id: string },
  relayId: string,
): Promise<void> {
  const { inbox_id, thread_id } = message
  const row = { inbox_id, thread_id, message_id_hash: hashRelayId(relayId), is_own: 1 }
  await tx.runRows([rowStep(setReferences, [row])])
}

/**
 * Whether a message leads to its thread without a row in `thread_references`: clients see it under its own Message-ID, which has an
 * index. So most messages need no such row, of which each would be on another page.
 */
export function leadsToThread(row: Pick<NewMessageRow, 'header_message_id_hash' | 'api_message_id_hash'>): boolean {
  return row.header_message_id_hash === null || row.header_message_id_hash === row.api_message_id_hash
}

/** Keeps the Message-IDs of messages that were removed from threads which remain: replies to them still join these. */
export async function keepReferences(tx: Tx, removed: readonly NewMessageRow[]): Promise<void> {
  const rows = removed.filter(leadsToThread).map(({ inbox_id, api_message_id_hash: message_id_hash, thread_id }) => {
    return { inbox_id, message_id_hash, thread_id, is_own: 1 }
  })
  await tx.runRows([rowStep(addReferences, rows)])
}

/** Differs from the hash of every Message-ID, so that no received message can take the name first. */
function hashRelayId(relayId: string): string {
  return hashId(`relay ${relayId}`)
}

/**
 * Returns the form in which Message-IDs are looked up: they can be longer than an index key may be. 144 bits of SHA-256:
 * the database stores each hash several times.
 */
export function hashId(messageId: string): string {
  return hash('sha256', messageId, 'base64url').slice(0, HASH_CHARS)
}
