/**
 * SEARCH in one mailbox (RFC 9051 §6.4.4). Each key becomes a set of positions in the snapshot; AND evaluates cheap keys first, and costly ones only for
 * the messages that are left:
 *
 *   snapshot (flags, UIDs, MODSEQ) → rows (sizes, dates, subject, addresses) → the text index → contents (other header fields)
 *
 * TEXT and BODY mean what the API's search finds: the subject, the addresses and the beginning of the text, as a substring without
 * case. The work is limited, and a search that would need more is refused.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { SearchKey } from '../../../formats/imap/search-keys.ts'
import { foldText } from '../../../formats/search/search-signature.ts'
import type { Store } from '../../../store/store.ts'
import { addressesOf } from '../../../store/tables/addresses-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as itemsTable from '../../../store/tables/mailbox-items-table.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { type SearchClause, searchMessages } from '../../messages/search/search.ts'
import type { FoldedTexts } from '../../messages/search/text-cache.ts'
import { type Flags, indexOfUid } from '../views/mailbox-snapshot.ts'
import { readContents, type SearchedContent } from './search-contents.ts'
import { dayOf, dayOfDateField, isOnSide } from './search-dates.ts'
import { filter, firstPosition, inSet, type Positions } from './search-positions.ts'

export interface SearchNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly contents: Contents
  readonly foldedTexts: FoldedTexts
  readonly clock: () => number
  readonly limits: Limits
}

export interface SearchedMailbox {
  readonly id: string
  readonly inboxId: string
  readonly isDrafts: boolean
  readonly hiddenMask: number
}

export interface MailboxSearch {
  readonly key: SearchKey
  /** UIDs and flags mean those of this snapshot. */
  readonly snapshot: SearchedSnapshot
  /** UIDs of the saved result (RFC 5182). */
  readonly saved: readonly number[]
}

export interface SearchedSnapshot {
  readonly uids: ArrayLike<number>
  readonly flags: readonly Flags[]
  readonly modseqs: ArrayLike<number>
}

/** Results of the text index that one call returns. */
const FOUND_AT_ONCE = 10_000

/** @returns ascending UIDs of messages in the snapshot @throws search_too_costly */
export async function searchMailbox(
  needs: SearchNeeds,
  mailbox: SearchedMailbox,
  { key: wanted, snapshot, saved }: MailboxSearch,
  signal: AbortSignal,
): Promise<number[]> {
  const { store, contents, limits } = needs
  const { uids, flags, modseqs } = snapshot
  const now = needs.clock()
  let contentsLeft = limits.mailboxes.searchContentsMax
  let keysLeft = limits.mailboxes.searchKeysMax
  let rowsLeft = limits.mailboxes.searchRowsMax
  let breathedAtMs = performance.now()
  const found = await evaluate(wanted, new Uint8Array(uids.length).fill(1))
  return Array.from(uids).filter((_uid, index) => found[index] === 1)

  /** @returns a new set, a part of `among` */
  async function evaluate(key: SearchKey, among: Positions): Promise<Positions> {
    signal.throwIfAborted()
    keysLeft -= 1
    if (keysLeft < 0) throw tooCostly()
    await breathe()
    switch (key.key) {
      case 'all':
        return among.slice()
      case 'and': {
        let left = among.slice()
        for (const each of key.keys.toSorted((a, b) => costOf(a) - costOf(b))) left = await evaluate(each, left)
        return left
      }
      case 'or': {
        const any = new Uint8Array(uids.length)
        for (const each of key.keys) {
          const more = await evaluate(each, among)
          for (let index = 0; index < any.length; index += 1) any[index]! |= more[index]!
        }
        return any
      }
      case 'not': {
        const some = await evaluate(key.of, among)
        return filter(among, (index) => some[index] === 0)
      }
      case 'flag': {
        const flag = key.flag.toLowerCase()
        const has = new Map<Flags, boolean>()
        return filter(among, (index) => {
          const set = flags[index]!
          let isSet = has.get(set)
          if (isSet === undefined) {
            isSet = set.some((each) => each.toLowerCase() === flag)
            has.set(set, isSet)
          }
          return isSet === key.isSet
        })
      }
      case 'sequence':
        return inSet(among, key.set, { last: uids.length, positionFrom: (number) => number - 1 })
      case 'uid':
        return inSet(among, key.set, {
          last: uids[uids.length - 1] ?? 0,
          positionFrom: (uid) => firstPosition(uids, uid),
        })
      case 'saved result':
        return positionsOf(saved, among)
      case 'modseq':
        return filter(among, (index) => BigInt(modseqs[index]!) >= key.atLeast)
      case 'size':
        return byRow(among, (row) => (key.is === 'larger' ? row.size_bytes > key.bytes : row.size_bytes < key.bytes))
      case 'within': {
        const since = now - key.seconds * 1_000
        // RFC 5032 §3: YOUNGER includes the limit.
        return byRow(among, (row) => row.internal_date >= since === (key.is === 'younger'))
      }
      case 'emailid':
        return byRow(among, (row) => row.item_id === key.id)
      case 'threadid':
        return byRow(among, (row) => row.thread_id === key.id)
      case 'date':
        if (key.of === 'sent') {
          return byContent(among, ({ headers }) =>
            isOnSide(key.is, dayOfDateField(fieldTextOf(headers, 'date')), key.day),
          )
        }
        return byRow(among, (row) =>
          isOnSide(key.is, dayOf(key.of === 'saved' ? row.saved_at : row.internal_date), key.day),
        )
      case 'text':
        return byText(key.in, key.value, among)
      case 'header':
        return byHeader(key.name.toLowerCase(), key.value, among)
    }
  }

  async function byText(target: string, value: string, among: Positions): Promise<Positions> {
    const text = foldText(value)
    switch (target) {
      case 'subject':
      case 'from':
      case 'to':
      case 'cc':
      case 'bcc':
        return byHeader(target, value, among)
      default: {
        if (text === '') return among.slice()
        const isText = target === 'text'
        if (mailbox.isDrafts) {
          return byContent(among, (content) =>
            [content.text(), ...(isText ? content.headers.map(([, each]) => each) : [])].some((each) =>
              foldText(each).includes(text),
            ),
          )
        }
        return byIndex(
          (isText ? (['subject', 'addresses', 'body'] as const) : (['body'] as const)).map((column) => ({
            columns: [column],
            allOf: [text],
          })),
          among,
        )
      }
    }
  }

  async function byHeader(name: string, value: string, among: Positions): Promise<Positions> {
    const text = foldText(value)
    const has = (found: string | null) => found !== null && foldText(found).includes(text)
    if (!mailbox.isDrafts && text !== '') {
      switch (name) {
        case 'subject':
          return byRow(among, (row) => has(row.subject))
        case 'message-id':
          return byRow(among, (row) => has(row.header_message_id))
        case 'in-reply-to':
          if (isWord(text)) return byRow(among, (row) => has(row.in_reply_to))
          break
        case 'references':
          if (isWord(text)) return byRow(among, (row) => has(row.references_list))
          break
        case 'from':
        case 'to':
        case 'cc':
        case 'bcc':
          return byAddress(name, text, among)
      }
    }
    return byContent(among, ({ headers }) =>
      headers.some(([each, shown]) => each.toLowerCase() === name && foldText(shown).includes(text)),
    )
  }

  /** Keeps the positions whose row matches. */
  async function byRow(among: Positions, matches: (row: itemsTable.SearchedItemRow) => boolean): Promise<Positions> {
    const kept = new Uint8Array(uids.length)
    for await (const rows of rowsOf(among)) for (const [index, row] of rows) kept[index] = Number(matches(row))
    return kept
  }

  async function byAddress(kind: 'from' | 'to' | 'cc' | 'bcc', text: string, among: Positions): Promise<Positions> {
    const kept = new Uint8Array(uids.length)
    for await (const rows of rowsOf(among)) {
      const messages = rows.map(([, { item_id, ...row }]) => ({ id: item_id, ...row }))
      const addresses = await addressesOf(store.db, messages)
      for (const [index, { item_id }] of rows) {
        const own = (addresses.get(item_id) ?? []).filter((each) => each.kind === kind)
        const shown = own.map(({ name, address }) => (name === null ? address : `${name} <${address}>`)).join(', ')
        kept[index] = Number(foldText(shown).includes(text))
      }
    }
    return kept
  }

  /** Reads header and text of each message that is left. @throws search_too_costly */
  async function byContent(among: Positions, matches: (content: SearchedContent) => boolean): Promise<Positions> {
    const kept = new Uint8Array(uids.length)
    for await (const rows of rowsOf(among)) {
      contentsLeft -= rows.length
      if (contentsLeft < 0) throw tooCostly()
      for (let at = 0; at < rows.length; at += CONTENTS_AT_ONCE) {
        const some = rows.slice(at, at + CONTENTS_AT_ONCE)
        const ids = [...new Set(some.map(([, row]) => row.content_id))]
        const read = await readContents(store.db, contents, ids)
        for (const [index, row] of some) {
          const content = read.get(row.content_id)
          kept[index] = Number(content !== undefined && matches(content))
        }
        await setImmediate()
      }
    }
    return kept
  }

  /** @throws search_too_costly */
  async function byIndex(anyOf: readonly SearchClause[], among: Positions): Promise<Positions> {
    const isTooLong = anyOf.some(({ allOf }) => allOf.some((text) => text.length > INDEXED_CHARS_MAX))
    if (isTooLong) return new Uint8Array(uids.length)
    const kept = new Uint8Array(uids.length)
    let beforeNumber: number | undefined
    for (;;) {
      signal.throwIfAborted()
      if (contentsLeft <= 0) throw tooCostly()
      const page = await searchMessages(
        { store, foldedTexts: needs.foldedTexts, limits },
        {
          inboxId: mailbox.inboxId,
          anyOf,
          hiddenMask: mailbox.hiddenMask,
          beforeNumber,
          limit: FOUND_AT_ONCE,
          rowsMax: contentsLeft,
        },
      )
      const ids = page.messages.map(({ id }) => id)
      for (let at = 0; at < ids.length; at += limits.mailboxes.searchMessages) {
        const some = ids.slice(at, at + limits.mailboxes.searchMessages)
        for (const entry of await entriesTable.listByItems(store.db, some)) {
          const index = entry.mailbox_id === mailbox.id ? indexOfUid(uids, entry.uid) : undefined
          if (index !== undefined) kept[index] = among[index]!
        }
      }
      contentsLeft = page.rowsLeft
      if (page.nextNumber === undefined) return kept
      beforeNumber = page.nextNumber
    }
  }

  /** Reads the rows of the positions that are left. Those that have vanished are missing. */
  async function* rowsOf(
    among: Positions,
  ): AsyncGenerator<(readonly [index: number, row: itemsTable.SearchedItemRow])[]> {
    const limit = limits.mailboxes.searchMessages
    for (let at = 0; at < uids.length; ) {
      const some: number[] = []
      for (; at < uids.length && some.length < limit; at += 1) if (among[at] === 1) some.push(uids[at]!)
      if (some.length === 0) return
      rowsLeft -= some.length
      if (rowsLeft < 0) throw tooCostly(limits.mailboxes.searchRowsMax)
      signal.throwIfAborted()
      const rows = await itemsTable.listSearched(store.db, mailbox.id, some, mailbox.isDrafts)
      yield rows.map((row) => [indexOfUid(uids, row.uid)!, row])
      await setImmediate()
    }
  }

  function positionsOf(some: readonly number[], among: Positions): Positions {
    const kept = new Uint8Array(uids.length)
    for (const uid of some) {
      const index = indexOfUid(uids, uid)
      if (index !== undefined) kept[index] = among[index]!
    }
    return kept
  }

  /** Keys that read nothing run at once, and there may be many of them. */
  async function breathe(): Promise<void> {
    if (performance.now() - breathedAtMs < SLICE_MS) return
    await setImmediate()
    breathedAtMs = performance.now()
  }

  function tooCostly(messagesMax = limits.mailboxes.searchContentsMax): MailError {
    return new MailError('search_too_costly', { messagesMax })
  }
}

/** Contents whose parsed form is read by one statement. */
const CONTENTS_AT_ONCE = 50
/** A search lets other work run after so long. */
const SLICE_MS = 10
/** A longer text is not found: the text index compares no more. */
const INDEXED_CHARS_MAX = 256

/** AND evaluates keys in this order. */
function costOf(key: SearchKey): number {
  switch (key.key) {
    case 'and':
    case 'or':
      return key.keys.reduce((sum, each) => Math.max(sum, costOf(each)), 0)
    case 'not':
      return costOf(key.of)
    case 'size':
    case 'within':
    case 'emailid':
    case 'threadid':
      return 1
    case 'date':
      return key.of === 'sent' ? 4 : 1
    case 'text':
      return key.in === 'body' || key.in === 'text' ? 3 : 2
    case 'header':
      return 4
    default:
      return 0
  }
}

/** Lists of Message-IDs are stored as JSON: a text with quotes or spaces may be in the field and not there. */
function isWord(text: string): boolean {
  return !/["\\\s,[\]]/.test(text)
}

function fieldTextOf(headers: SearchedContent['headers'], name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1]
}
