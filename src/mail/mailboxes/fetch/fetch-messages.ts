/**
 * Reads what FETCH asks for, in batches with few statements. ENVELOPE is stored when a message is parsed. BODYSTRUCTURE, and the
 * ENVELOPE of some messages, are computed when a client first asks for them, and stored by content (docs/adr/0074): most messages
 * are never read over IMAP.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { isMailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { ContentStructureRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import type { Turn } from '../../jobs/turn-queue.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { DamagedContent, type ReportDamage } from '../../messages/content/damaged-content.ts'
import { readStructure } from '../../messages/content/message-structure.ts'
import { createSlices } from '../search/search-slices.ts'
import { type LargeStructures, STRUCTURE_VERSION, storeStructures, structureRow } from './large-structures.ts'
import {
  hasManyParts,
  loadBytes,
  type MessageSource,
  openSource,
  type Reading,
  reportedDamage,
} from './message-source.ts'

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
  /** The items that need the bytes of the message are missing, because these are damaged or lost. */
  readonly isDamaged?: true
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
  readonly largeStructures: LargeStructures
  readonly reportDamage: ReportDamage
  readonly log: Log
  readonly limits: Limits
}

/** The mailbox, and what its reader may not see. */
export interface FetchedMailbox {
  readonly id: string
  readonly isDrafts: boolean
  readonly hiddenMask: number
  /** The pod of the inbox: pods take turns to have large messages read. */
  readonly turn: Turn
}

/** Messages whose bytes are read by one statement: most have a few KiB, and larger ones are read one by one. */
const SOURCES_AT_ONCE = 16
/** Messages that are uncompressed at the same time. */
const YIELDED_BYTES = 64 * 1024

/**
 * Other work runs after each slice of time: a few messages may take long, and hundreds may follow one another.
 *
 * @param uids ascending. Those that have vanished are left out
 */
export async function* fetchMessages(
  needs: FetchNeeds,
  mailbox: FetchedMailbox,
  uids: readonly number[],
  wanted: WantedItems,
  signal: AbortSignal,
): AsyncGenerator<readonly FetchedMessage[], void> {
  const { store, limits } = needs
  const withEnvelope = wanted.envelope === true
  const withStructure = wanted.body === true || wanted.bodyStructure === true
  const withBytes = wanted.source !== undefined
  const batch = withBytes ? SOURCES_AT_ONCE : limits.mailboxes.fetchMessages
  const options = { isDrafts: mailbox.isDrafts, withEnvelope, withStructure, withBytes, version: STRUCTURE_VERSION }
  const pause = createSlices(limits.mailboxes.sliceMs)
  const reading = { turn: mailbox.turn, signal, pause }
  for (let at = 0; at < uids.length; at += batch) {
    signal.throwIfAborted()
    if (at > 0) await setImmediate()
    const some = uids.length <= batch ? uids : uids.slice(at, at + batch)
    const rows = await itemsTable.listItems(store.db, mailbox.id, some, options)
    const shown = rows.filter(({ hidden }) => (hidden & mailbox.hiddenMask) === 0)
    const isMissing = (row: itemsTable.FetchedItemRow) =>
      (withEnvelope && row.envelope === null) || (withStructure && row.body_structure === null)
    const isAnyMissing = (withEnvelope || withStructure) && shown.some(isMissing)
    let messages: FetchedMessage[] = []
    let bytes = 0
    for (const group of isAnyMissing ? groupsOf(shown, SOURCES_AT_ONCE) : [shown]) {
      const missing = isAnyMissing ? group.filter(isMissing) : []
      const computed = missing.length > 0 ? await compute(needs, mailbox, missing, reading) : NONE
      for (const row of group) {
        const pausing = pause()
        if (pausing) await pausing
        // While the client reads, only these are in memory.
        if (withBytes && bytes + row.size_bytes > YIELDED_BYTES && messages.length > 0) {
          yield messages
          messages = []
          bytes = 0
        }
        const message = await showItem(needs, row, { wanted, computed: computed.get(row.content_id), reading })
        if (!message) continue
        messages.push(message)
        bytes += row.size_bytes
      }
      yield messages
      messages = []
      bytes = 0
    }
  }
}

/** What cannot be read of a content. Other messages are sent all the same. */
type Unreadable = 'damaged' | 'deleted'

const NONE: ReadonlyMap<string, ContentStructureRow | Unreadable> = new Map()

/** Reads a content, and logs it if it is damaged. */
async function tryRead<T>(needs: FetchNeeds, contentId: string, read: () => Promise<T>): Promise<T | Unreadable> {
  try {
    return await read()
  } catch (error) {
    if (isMailError(error, 'not_found')) return 'deleted'
    if (!(reportedDamage(error, contentId, needs) instanceof DamagedContent)) throw error
    return 'damaged'
  }
}

function groupsOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
}

/** Returns the structures of contents whose rows came without one: those that are long, and those that have none, which are computed and stored. */
async function compute(
  needs: FetchNeeds,
  mailbox: FetchedMailbox,
  missing: readonly itemsTable.FetchedItemRow[],
  reading: Reading,
): Promise<ReadonlyMap<string, ContentStructureRow | Unreadable>> {
  const { store, limits } = needs
  const { turn, signal, pause } = reading
  const computed = new Map<string, ContentStructureRow | Unreadable>()
  const toStore: ContentStructureRow[] = []
  for (const row of await withBytes(missing)) {
    const { content_id: id, size_bytes: sizeBytes } = row
    if (computed.has(id)) continue
    await pause()
    const stored =
      row.structure_of === null ? undefined : await itemsTable.getStructure(store.db, id, STRUCTURE_VERSION)
    if (stored) {
      computed.set(id, stored)
      continue
    }
    const isInMemory = sizeBytes <= limits.mailboxes.sourceBytesMax
    const made = await tryRead(needs, id, async () => {
      const bytes = isInMemory ? await loadBytes(row, needs) : undefined
      if (!bytes || hasManyParts(bytes, limits)) return needs.largeStructures.get({ id, sizeBytes, turn }, signal)
      const read = structureRow(id, readStructure(bytes, limits))
      toStore.push(read)
      return read
    })
    computed.set(id, made)
  }
  if (toStore.length > 0) await storeStructures(needs, toStore)
  return computed

  async function withBytes(some: readonly itemsTable.FetchedItemRow[]): Promise<readonly itemsTable.FetchedItemRow[]> {
    if (some[0]!.bytes !== undefined) return some
    const uids = some.map(({ uid }) => uid)
    const { isDrafts, id } = mailbox
    const options = { isDrafts, withEnvelope: false, withStructure: false, withBytes: true, version: STRUCTURE_VERSION }
    const structureOf = new Map(some.map((row) => [row.uid, row.structure_of]))
    const rows = await itemsTable.listItems(store.db, id, uids, options)
    return rows.map((row) => ({ ...row, structure_of: structureOf.get(row.uid) }))
  }
}

/** @returns undefined if the message or its content was deleted meanwhile */
async function showItem(
  needs: FetchNeeds,
  row: itemsTable.FetchedItemRow,
  {
    wanted,
    computed,
    reading,
  }: {
    readonly wanted: WantedItems
    readonly computed: ContentStructureRow | Unreadable | undefined
    readonly reading: Reading
  },
): Promise<FetchedMessage | undefined> {
  const open = () => openSource(row, wanted.source!, needs, reading)
  const source = wanted.source === undefined ? undefined : await tryRead(needs, row.content_id, open)
  if (computed === 'deleted' || source === 'deleted') return undefined
  const structure = computed === 'damaged' ? undefined : computed
  const envelope = row.envelope ?? structure?.envelope
  const body = row.body ?? structure?.body
  const bodyStructure = row.body_structure ?? structure?.body_structure
  if (computed !== 'damaged' && lacksWanted(wanted, { envelope, body, bodyStructure })) return undefined
  return {
    uid: row.uid,
    ...((computed === 'damaged' || source === 'damaged') && { isDamaged: true }),
    ...(wanted.internalDate && { internalDate: row.internal_date }),
    ...(wanted.saveDate && { saveDate: row.saved_at }),
    ...(wanted.size && { sizeBytes: row.size_bytes }),
    ...(wanted.ids && { emailId: row.item_id, ...(row.thread_id !== null && { threadId: row.thread_id }) }),
    ...(wanted.preview && { preview: row.preview?.slice(0, PREVIEW_CHARS) ?? null }),
    ...(wanted.envelope && envelope !== undefined && { envelope }),
    ...(wanted.body && body !== undefined && { body }),
    ...(wanted.bodyStructure && bodyStructure !== undefined && { bodyStructure }),
    ...(source !== undefined && source !== 'damaged' && { source }),
  }
}

type StructureItem = 'envelope' | 'body' | 'bodyStructure'

/** Whether an item is missing although the bytes were read: then another session has expunged the message since its row was listed. */
function lacksWanted(wanted: WantedItems, shown: Readonly<Record<StructureItem, string | undefined>>): boolean {
  return (
    (wanted.envelope === true && shown.envelope === undefined) ||
    (wanted.body === true && shown.body === undefined) ||
    (wanted.bodyStructure === true && shown.bodyStructure === undefined)
  )
}

/** RFC 8970 §3.1. */
const PREVIEW_CHARS = 200
