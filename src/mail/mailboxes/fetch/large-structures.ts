/**
 * Reads the structures of messages that are too large, or have too many parts, for the event loop: in a thread, one after the other
 * (messages/content/mail-reader.ts). Results are stored, so that each message is read once. Part of fetch-messages.ts.
 *
 * A message that needs too much memory is shown as one file. This result is stored too, but never replaces a structure that another
 * node has stored. A message that took too long is also shown as one file, but this is not stored: perhaps only this node was busy,
 * and all nodes would show the file for ever. A message leaves the queue when all sessions that asked for it have ended.
 *
 * Crash: nothing is lost; a structure that was not stored is read again.
 */
import { waitUnlessAborted } from '../../../deadline.ts'
import { isMailError } from '../../../errors.ts'
import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import type { Log } from '../../../log.ts'
import type { ContentStructureRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import type { Turn } from '../../jobs/turn-queue.ts'
import { type Contents, loadBeginning } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import type { StructureTexts } from '../../messages/content/message-structure.ts'

/** Increase it when formats/imap writes another ENVELOPE or BODYSTRUCTURE: stored ones are computed again. */
export const STRUCTURE_VERSION = 4

/** A content, and whose turn it is when it is read. */
export interface LargeContent {
  readonly id: string
  readonly sizeBytes: number
  readonly turn: Turn
}

export interface LargeStructures {
  /** @throws not_found when the content was deleted; DamagedContent; read_queue_full, shutting_down, unavailable; the reason of the signal */
  get(content: LargeContent, signal: AbortSignal): Promise<ContentStructureRow>
  parts(content: LargeContent, signal: AbortSignal): Promise<ImapPart>
}

interface LargeStructuresNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readStructure'>
  readonly log: Log
}

/** A structure that is being read, for the sessions that asked for it. */
interface SharedRead {
  readonly row: Promise<ContentStructureRow>
  readonly sessionsLeft: AbortController
  sessions: number
}

export function createLargeStructures(needs: LargeStructuresNeeds): LargeStructures {
  const { store, contents, mailReader, log } = needs
  /** By content. Contains no read whose sessions have all left. */
  const reading = new Map<string, SharedRead>()

  return {
    get,

    async parts(content, signal) {
      return JSON.parse((await get(content, signal)).parts) as ImapPart
    },
  }

  async function get(content: LargeContent, signal: AbortSignal): Promise<ContentStructureRow> {
    for (;;) {
      signal.throwIfAborted()
      const known = reading.get(content.id)
      try {
        return await join(content.id, known ?? begin(content), signal)
      } catch (error) {
        // The shared read may wait in the queue of another organization, which is full: then this caller reads in its own turn.
        if (!known || !isMailError(error, 'read_queue_full')) throw error
      }
    }
  }

  async function join(id: string, shared: SharedRead, signal: AbortSignal): Promise<ContentStructureRow> {
    shared.sessions += 1
    try {
      return await waitUnlessAborted(shared.row, signal)
    } finally {
      shared.sessions -= 1
      if (shared.sessions === 0) {
        forget(id, shared) // at once: a new caller must not share a read that has ended
        shared.sessionsLeft.abort()
      }
    }
  }

  function begin(content: LargeContent): SharedRead {
    const sessionsLeft = new AbortController()
    // The lookup of a stored structure is shared too: a session that looks before another one has stored its result would read it again.
    const shared = { row: findOrRead(content, sessionsLeft.signal), sessionsLeft, sessions: 0 }
    reading.set(content.id, shared)
    const end = () => forget(content.id, shared)
    shared.row.then(end, end)
    return shared
  }

  function forget(id: string, shared: SharedRead): void {
    if (reading.get(id) === shared) reading.delete(id)
  }

  async function findOrRead(content: LargeContent, signal: AbortSignal): Promise<ContentStructureRow> {
    return (await itemsTable.getStructure(store.db, content.id, STRUCTURE_VERSION)) ?? readNow(content, signal)
  }

  async function readNow({ id, sizeBytes, turn }: LargeContent, signal: AbortSignal): Promise<ContentStructureRow> {
    const { structure, outcome } = await mailReader.readStructure({
      ...turn,
      contentId: id,
      sizeBytes,
      signal,
      load: (end) => loadBeginning(contents, id, end),
    })
    const row = structureRow(id, structure)
    if (outcome === 'failed') return row
    if (outcome === 'read') {
      await storeStructures({ store, log }, [row])
      return row
    }
    await storeStructures({ store, log }, [row], itemsTable.putMissingStructures)
    return (await itemsTable.getStructure(store.db, id, STRUCTURE_VERSION)) ?? row
  }
}

/** Returns what is stored of a message's structure. */
export function structureRow(
  contentId: string,
  { envelope, body, bodyStructure, parts }: StructureTexts,
): ContentStructureRow {
  return {
    ...{ content_id: contentId, version: STRUCTURE_VERSION },
    ...{ envelope, body, body_structure: bodyStructure, parts },
  }
}

/** Never rejects: what is not stored is computed again. @param put stores them */
export async function storeStructures(
  { store, log }: Pick<LargeStructuresNeeds, 'store' | 'log'>,
  rows: readonly ContentStructureRow[],
  put: typeof itemsTable.putStructures = itemsTable.putStructures,
): Promise<void> {
  try {
    await store.transaction((tx) => put(tx, rows))
  } catch (error) {
    log.warn({ err: error }, 'structures of messages could not be stored; they will be computed again')
  }
}
