/**
 * Reads what SEARCH compares, for the positions that are left: rows, the text index, headers, whole messages. All keys of one search share its
 * limits. Part of search-mailbox.ts.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { Store } from '../../../store/store.ts'
import { addressesOf } from '../../../store/tables/addresses-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import { listUids, listUidsInRange } from '../../../store/tables/search-sources-table.ts'
import type { Turn } from '../../jobs/turn-queue.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { ReportDamage } from '../../messages/content/damaged-content.ts'
import { type SearchClause, searchMessages } from '../../messages/search/search.ts'
import type { SourceIndex } from '../../messages/search/source-index.ts'
import type { FoldedTexts } from '../../messages/search/text-cache.ts'
import { indexOfUid } from '../views/mailbox-snapshot.ts'
import { type Fields, readHeaders } from './search-contents.ts'
import { filter, type Positions } from './search-positions.ts'
import { createSlices } from './search-slices.ts'
import type { SearchedSource, SourceQuery, Sources } from './search-sources.ts'

export interface SearchNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly contents: Contents
  readonly foldedTexts: FoldedTexts
  readonly sources: Sources
  readonly sourceIndex: SourceIndex
  readonly reportDamage: ReportDamage
  readonly clock: () => number
  readonly log: Log
  readonly limits: Limits
}

export interface SearchedMailbox {
  readonly id: string
  readonly inboxId: string
  readonly isDrafts: boolean
  readonly hiddenMask: number
  /** The pod of the inbox: pods take turns to have large messages read. */
  readonly turn: Turn
}

/** A search key that reads messages. */
export interface Compared<Query> {
  readonly query: Query
  /** Whether the key is inside NOT. It is unknown whether a damaged message matches, so it counts as the value that keeps it out of the result. */
  readonly isNegated: boolean
}

/** Results of the text index that one call returns. */
const FOUND_AT_ONCE = 10_000
/** Contents whose parsed form is read by one statement. */
const CONTENTS_AT_ONCE = 50
/** Messages that are in memory at once to compare their whole text, and their bytes if they are more than one. */
const SOURCES_AT_ONCE = 32
const SOURCES_AT_ONCE_BYTES_MAX = 512 * 1024
/** Time after which other work may run. */
const SLICE_MS = 5

export class SearchReader {
  readonly mailbox: SearchedMailbox
  readonly limits: Limits
  readonly #needs: SearchNeeds
  readonly #uids: ArrayLike<number>
  readonly #signal: AbortSignal
  #contentsLeft: number
  #rowsLeft: number
  #sourceBytesLeft: number
  readonly #damaged = new Set<number>()

  constructor(needs: SearchNeeds, mailbox: SearchedMailbox, uids: ArrayLike<number>, signal: AbortSignal) {
    this.#needs = needs
    this.mailbox = mailbox
    this.limits = needs.limits
    this.#uids = uids
    this.#signal = signal
    const { searchContentsMax, searchRowsMax, searchSourceBytesMax } = needs.limits.mailboxes
    this.#contentsLeft = searchContentsMax
    this.#rowsLeft = searchRowsMax
    this.#sourceBytesLeft = searchSourceBytesMax
  }

  /** Positions of messages of which a key could not say whether they match, because what is stored of them is damaged. */
  get damaged(): ReadonlySet<number> {
    return this.#damaged
  }

  /** Keeps the positions whose row matches. */
  async byRow(among: Positions, matches: (row: itemsTable.SearchedItemRow) => boolean): Promise<Positions> {
    const kept = this.none()
    for await (const rows of this.#rowsOf(among)) for (const [index, row] of rows) kept[index] = Number(matches(row))
    return kept
  }

  /** As they are in ENVELOPE: "name <address>, …". */
  async byAddress(kind: 'from' | 'to' | 'cc' | 'bcc', among: Positions, matches: (shown: string) => boolean) {
    const kept = this.none()
    for await (const rows of this.#rowsOf(among)) {
      const messages = rows.map(([, { item_id, ...row }]) => ({ id: item_id, ...row }))
      const addresses = await addressesOf(this.#needs.store.db, messages)
      for (const [index, { item_id }] of rows) {
        const own = (addresses.get(item_id) ?? []).filter((each) => each.kind === kind)
        const shown = own.map(({ name, address }) => (name === null ? address : `${name} <${address}>`)).join(', ')
        kept[index] = Number(matches(shown))
      }
    }
    return kept
  }

  /** Reads the header of each message that is left. @throws search_too_costly */
  async byHeader(
    among: Positions,
    { query: matches, isNegated }: Compared<(headers: Fields) => boolean>,
  ): Promise<Positions> {
    const { store, contents, reportDamage, limits } = this.#needs
    const kept = this.none()
    const pause = createSlices(SLICE_MS)
    for await (const rows of this.#rowsOf(among)) {
      this.#contentsLeft -= rows.length
      if (this.#contentsLeft < 0) throw this.#tooCostly()
      for (let at = 0; at < rows.length; at += CONTENTS_AT_ONCE) {
        const some = rows.slice(at, at + CONTENTS_AT_ONCE)
        const ids = [...new Set(some.map(([, row]) => row.content_id))]
        const needs = { db: store.db, contents, reportDamage }
        const read = await readHeaders(needs, ids, limits.parsing.mimeHeaderBytesMax, pause)
        for (const [index, { content_id: id }] of some) {
          const headers = read.get(id)
          if (headers) kept[index] = Number(matches(headers))
          else if (read.has(id)) kept[index] = this.#markDamaged(index, isNegated)
        }
        await setImmediate()
      }
    }
    return kept
  }

  /** Reads each message that is left, that is wanted, and that no index excludes, as a whole. @throws search_too_costly */
  async bySource(
    among: Positions,
    { query, isNegated }: Compared<SourceQuery>,
    isWanted: (row: itemsTable.SearchedItemRow) => boolean,
  ): Promise<Positions> {
    const { sources, sourceIndex } = this.#needs
    const { mailbox } = this
    const kept = this.none()
    const keyOf = (index: number) => `${mailbox.id} ${this.#uids[index]}`
    const indexed = mailbox.isDrafts ? undefined : await this.#bySourceIndex(among, query)
    const left = indexed?.possible ?? among
    const isExcluded = sources.excluder(query)
    const possible = filter(left, (index) => !isExcluded(keyOf(index)))
    const pause = createSlices(SLICE_MS)
    let batch: (SearchedSource & { readonly index: number })[] = []
    let batchBytes = 0
    const compare = async () => {
      const found = await sources.match(batch, query, this.#signal)
      for (const [at, { index }] of batch.entries())
        kept[index] = Number(found[at] ?? this.#markDamaged(index, isNegated))
      ;[batch, batchBytes] = [[], 0]
      await pause()
    }
    for await (const rows of this.#rowsOf(possible)) {
      for (const [index, row] of rows) {
        if (!isWanted(row)) continue
        this.#sourceBytesLeft -= row.size_bytes
        if (this.#sourceBytesLeft < 0) throw this.#tooCostly()
        const isFull = batch.length === SOURCES_AT_ONCE || batchBytes + row.size_bytes > SOURCES_AT_ONCE_BYTES_MAX
        if (isFull && batch.length > 0) await compare()
        const isIndexed = indexed?.known[index] === 1
        const content = { id: row.content_id, sizeBytes: row.size_bytes, turn: mailbox.turn }
        batch.push({ index, key: keyOf(index), content, isIndexed })
        batchBytes += row.size_bytes
      }
    }
    if (batch.length > 0) await compare()
    if (!mailbox.isDrafts) await sourceIndex.request(mailbox.inboxId)
    return kept
  }

  /** @returns those that may match, and which of these are in the index; undefined: it excludes none */
  async #bySourceIndex(
    among: Positions,
    { text }: SourceQuery,
  ): Promise<{ readonly possible: Positions; readonly known: Positions } | undefined> {
    const { store, sourceIndex, limits } = this.#needs
    const { id: mailboxId, inboxId } = this.mailbox
    const found = await sourceIndex.find(inboxId, text, this.#signal)
    if (!found) return undefined
    const [possible, known] = [this.none(), this.none()]
    const limit = limits.mailboxes.searchMessages
    const add = (uid: number, into: Positions) => {
      const index = indexOfUid(this.#uids, uid)
      if (index !== undefined) into[index] = among[index]!
    }
    for (let at = 0; at < found.numbers.length; at += limit) {
      for (const uid of await listUids(store.db, mailboxId, inboxId, found.numbers.slice(at, at + limit))) {
        add(uid, possible)
        add(uid, known)
      }
      await setImmediate()
    }
    for (const gap of found.gaps) {
      for (let { after } = gap; after < gap.through; ) {
        const rows = await listUidsInRange(store.db, { mailboxId, inboxId, ...gap, after, limit })
        for (const { uid } of rows) add(uid, possible)
        if (rows.length < limit) break
        after = rows.at(-1)!.number
        await setImmediate()
      }
    }
    return { possible, known }
  }

  /** @throws search_too_costly */
  async byIndex(anyOf: readonly SearchClause[], among: Positions): Promise<Positions> {
    const { store, foldedTexts, log } = this.#needs
    const { mailbox, limits } = this
    const kept = this.none()
    let beforeNumber: number | undefined
    for (;;) {
      this.#signal.throwIfAborted()
      if (this.#contentsLeft <= 0) throw this.#tooCostly()
      const page = await searchMessages(
        { store, foldedTexts, log, limits },
        {
          inboxId: mailbox.inboxId,
          anyOf,
          hiddenMask: mailbox.hiddenMask,
          beforeNumber,
          limit: FOUND_AT_ONCE,
          rowsMax: this.#contentsLeft,
        },
      )
      const ids = page.messages.map(({ id }) => id)
      for (let at = 0; at < ids.length; at += limits.mailboxes.searchMessages) {
        const some = ids.slice(at, at + limits.mailboxes.searchMessages)
        for (const entry of await entriesTable.listByItems(store.db, some)) {
          const index = entry.mailbox_id === mailbox.id ? indexOfUid(this.#uids, entry.uid) : undefined
          if (index !== undefined) kept[index] = among[index]!
        }
      }
      this.#contentsLeft = page.rowsLeft
      if (page.nextNumber === undefined) return kept
      beforeNumber = page.nextNumber
    }
  }

  none(): Positions {
    return new Uint8Array(this.#uids.length)
  }

  /** Reads the rows of the positions that are left. Those that have vanished are missing. */
  async *#rowsOf(among: Positions): AsyncGenerator<(readonly [index: number, row: itemsTable.SearchedItemRow])[]> {
    const { mailbox, limits } = this
    const uids = this.#uids
    const limit = limits.mailboxes.searchMessages
    for (let at = 0; at < uids.length; ) {
      const some: number[] = []
      for (; at < uids.length && some.length < limit; at += 1) if (among[at] === 1) some.push(uids[at]!)
      if (some.length === 0) return
      this.#rowsLeft -= some.length
      if (this.#rowsLeft < 0) throw this.#tooCostly(limits.mailboxes.searchRowsMax)
      this.#signal.throwIfAborted()
      const rows = await itemsTable.listSearched(this.#needs.store.db, mailbox.id, some, mailbox.isDrafts)
      yield rows.map((row) => [indexOfUid(uids, row.uid)!, row])
      await setImmediate()
    }
  }

  /** @returns the value of the key for a damaged message: the one that keeps it out of the result */
  #markDamaged(index: number, isNegated: boolean): number {
    this.#damaged.add(index)
    return Number(isNegated)
  }

  #tooCostly(messagesMax = this.limits.mailboxes.searchContentsMax): MailError {
    return new MailError('search_too_costly', { messagesMax })
  }
}
