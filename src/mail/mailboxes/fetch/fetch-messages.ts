/**
 * Reads what FETCH asks for, in batches with few statements. ENVELOPE and BODYSTRUCTURE are computed when a client first asks for
 * them, and stored by content (docs/adr/0069): most messages are never read over IMAP.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Log } from '../../../log.ts'
import type { ContentStructureRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { bodyOf, loadBytes, type MessageSource, openSource, structureOf } from './message-source.ts'

/** Items that need the store; FLAGS, UID and MODSEQ are in the snapshot. */
export interface WantedItems {
  readonly internalDate?: boolean
  readonly saveDate?: boolean
  readonly size?: boolean
  readonly ids?: boolean
  readonly preview?: boolean
  readonly envelope?: boolean
  /** BODY: the structure without extension data. */
  readonly body?: boolean
  readonly bodyStructure?: boolean
  /** `head`: the header block of the message is enough. */
  readonly source?: 'head' | 'whole'
}

/** Has what was wanted. Times are epoch ms. */
export interface FetchedMessage {
  readonly uid: number
  readonly internalDate?: number
  readonly saveDate?: number
  readonly sizeBytes?: number
  readonly emailId?: string
  readonly threadId?: string
  /** null: it has no text. */
  readonly preview?: string | null
  /** As in the response, with its parentheses. ASCII. */
  readonly envelope?: string
  readonly body?: string
  readonly bodyStructure?: string
  readonly source?: MessageSource
}

export interface FetchNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly contents: Contents
  readonly log: Log
  readonly limits: Limits
}

/** The mailbox, and what its reader may not see. */
export interface FetchedMailbox {
  readonly id: string
  readonly isDrafts: boolean
  readonly hiddenMask: number
}

/** Increase it when formats/imap writes another ENVELOPE or BODYSTRUCTURE: stored ones are computed again. */
const STRUCTURE_VERSION = 1
/** Messages whose bytes are read by one statement: most have a few KiB, and none in a row is large. */
const SOURCES_AT_ONCE = 16

/** @param uids ascending. Those that have vanished are left out */
export async function* fetchMessages(
  needs: FetchNeeds,
  mailbox: FetchedMailbox,
  uids: readonly number[],
  wanted: WantedItems,
  signal: AbortSignal,
): AsyncGenerator<readonly FetchedMessage[], void> {
  const { store, limits } = needs
  const withStructure = wanted.envelope === true || wanted.body === true || wanted.bodyStructure === true
  const withBytes = wanted.source !== undefined
  const batch = withBytes ? SOURCES_AT_ONCE : limits.mailboxes.fetchMessages
  const options = { isDrafts: mailbox.isDrafts, withStructure, withBytes, version: STRUCTURE_VERSION }
  for (let at = 0; at < uids.length; at += batch) {
    signal.throwIfAborted()
    if (at > 0) await setImmediate()
    const some = uids.length <= batch ? uids : uids.slice(at, at + batch)
    const rows = await itemsTable.listItems(store.db, mailbox.id, some, options)
    const shown = rows.filter(({ hidden }) => (hidden & mailbox.hiddenMask) === 0)
    const computed = withStructure ? await computeMissing(needs, mailbox, shown) : NONE
    const messages: FetchedMessage[] = []
    for (const row of shown) messages.push(await showItem(needs, row, wanted, computed.get(row.content_id)))
    yield messages
  }
}

const NONE: ReadonlyMap<string, ContentStructureRow> = new Map()

/** Computes the structures of contents that have none, and stores them. */
async function computeMissing(
  needs: FetchNeeds,
  mailbox: FetchedMailbox,
  rows: readonly itemsTable.FetchedItemRow[],
): Promise<ReadonlyMap<string, ContentStructureRow>> {
  const missing = rows.filter(({ envelope }) => envelope === null || envelope === undefined)
  if (missing.length === 0) return NONE
  const { store, log, limits } = needs
  const computed = new Map<string, ContentStructureRow>()
  for (let at = 0; at < missing.length; at += SOURCES_AT_ONCE) {
    if (at > 0) await setImmediate()
    for (const row of await withBytes(missing.slice(at, at + SOURCES_AT_ONCE))) {
      if (computed.has(row.content_id)) continue
      const bytes = await loadBytes(row, needs)
      const { envelope, bodyStructure, root } = structureOf(bytes, limits)
      computed.set(row.content_id, {
        content_id: row.content_id,
        version: STRUCTURE_VERSION,
        envelope,
        body: bodyOf(bytes, limits),
        body_structure: bodyStructure,
        parts: JSON.stringify(root),
      })
    }
  }
  try {
    await store.transaction((tx) => itemsTable.putStructures(tx, [...computed.values()]))
  } catch (error) {
    log.warn({ err: error }, 'structures of messages could not be stored; they will be computed again')
  }
  return computed

  async function withBytes(some: readonly itemsTable.FetchedItemRow[]): Promise<readonly itemsTable.FetchedItemRow[]> {
    if (some[0]!.bytes !== undefined) return some
    const uids = some.map(({ uid }) => uid)
    const options = { isDrafts: mailbox.isDrafts, withStructure: false, withBytes: true, version: STRUCTURE_VERSION }
    return itemsTable.listItems(store.db, mailbox.id, uids, options)
  }
}

async function showItem(
  needs: FetchNeeds,
  row: itemsTable.FetchedItemRow,
  wanted: WantedItems,
  computed: ContentStructureRow | undefined,
): Promise<FetchedMessage> {
  const envelope = row.envelope ?? computed?.envelope
  const body = row.body ?? computed?.body
  const bodyStructure = row.body_structure ?? computed?.body_structure
  return {
    uid: row.uid,
    ...(wanted.internalDate && { internalDate: row.internal_date }),
    ...(wanted.saveDate && { saveDate: row.saved_at }),
    ...(wanted.size && { sizeBytes: row.size_bytes }),
    ...(wanted.ids && { emailId: row.item_id, ...(row.thread_id !== null && { threadId: row.thread_id }) }),
    ...(wanted.preview && { preview: row.preview?.slice(0, PREVIEW_CHARS) ?? null }),
    ...(wanted.envelope && envelope !== undefined && { envelope }),
    ...(wanted.body && body !== undefined && { body }),
    ...(wanted.bodyStructure && bodyStructure !== undefined && { bodyStructure }),
    ...(wanted.source !== undefined && { source: await openSource(row, wanted.source, needs) }),
  }
}

/** RFC 8970 §3.1. */
const PREVIEW_CHARS = 200
