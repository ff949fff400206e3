/**
 * Structures of messages that are too large to be in memory for every session that asks for them: they are loaded one after the
 * other, and what was read is stored, so that each is loaded once. Part of fetch-messages.ts.
 *
 * Crash: nothing is lost; a structure that was not stored is read again.
 */
import type { Limits } from '../../../config/limits.ts'
import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import type { Log } from '../../../log.ts'
import type { ContentStructureRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'
import { structureOf } from './message-source.ts'

/** Increase it when formats/imap writes another ENVELOPE or BODYSTRUCTURE: stored ones are computed again. */
export const STRUCTURE_VERSION = 1

export interface LargeStructures {
  /** @throws not_found when the content was deleted; the reason of the signal */
  get(contentId: string, signal: AbortSignal): Promise<ContentStructureRow>
  parts(contentId: string, signal: AbortSignal): Promise<ImapPart>
}

interface LargeStructuresNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly contents: Contents
  readonly log: Log
  readonly limits: Limits
}

export function createLargeStructures(needs: LargeStructuresNeeds): LargeStructures {
  const { store, contents, log, limits } = needs
  /** Never rejects. */
  let last: Promise<unknown> = Promise.resolve()

  return {
    get,

    async parts(contentId, signal) {
      return JSON.parse((await get(contentId, signal)).parts) as ImapPart
    },
  }

  async function get(contentId: string, signal: AbortSignal): Promise<ContentStructureRow> {
    const stored = await itemsTable.getStructure(store.db, contentId, STRUCTURE_VERSION)
    if (stored) return stored
    const read = last.then(() => readNow(contentId, signal))
    last = read.catch(() => undefined)
    return read
  }

  async function readNow(contentId: string, signal: AbortSignal): Promise<ContentStructureRow> {
    signal.throwIfAborted()
    // Another session may have waited for the same one.
    const stored = await itemsTable.getStructure(store.db, contentId, STRUCTURE_VERSION)
    if (stored) return stored
    const row = structureRow(contentId, await loadContent(contents, contentId), limits)
    await storeStructures({ store, log }, [row])
    return row
  }
}

/** Returns what is stored of a message's structure. */
export function structureRow(contentId: string, bytes: Buffer, limits: Limits): ContentStructureRow {
  const { envelope, body, bodyStructure, root } = structureOf(bytes, limits)
  return {
    ...{ content_id: contentId, version: STRUCTURE_VERSION },
    ...{ envelope, body, body_structure: bodyStructure, parts: JSON.stringify(root) },
  }
}

/** Never rejects: what is not stored is computed again. */
export async function storeStructures(
  { store, log }: Pick<LargeStructuresNeeds, 'store' | 'log'>,
  rows: readonly ContentStructureRow[],
): Promise<void> {
  try {
    await store.transaction((tx) => itemsTable.putStructures(tx, rows))
  } catch (error) {
    log.warn({ err: error }, 'structures of messages could not be stored; they will be computed again')
  }
}
