/**
 * The text index of an inbox, made after the commit of its messages (docs/adr/0038):
 *
 *   one of 64 messages enqueues a job → it removes outdated blocks → rewrites blocks with deleted messages → makes a block of
 *   each 256 messages that are in none
 *
 * The last messages of an inbox, and small inboxes, are in no block: a search compares them all.
 * Crash, stop: what is committed stays, and the job runs again. Two jobs of an inbox never run at once (leases), and a
 *   transaction rejects what another node has changed meanwhile.
 * Must not: hold up other work. Texts are read a few at a time, and a thread does the rest.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { BLOCK_CHUNKS, BLOCK_TEXTS, decodeNumbers, encodeNumbers } from '../../../formats/search/search-block.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { bccOf } from '../../../store/tables/addresses-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { enqueue, type JobHandler } from '../../jobs/jobs.ts'
import { type StoredText, textFunctionOf } from './message-text.ts'
import type { SignatureThread } from './signature-thread.ts'

/** The kind of the job. Key: the id of the inbox. It is stored in the database: never change it. */
export const INDEX_MESSAGES = 'index-messages'

/** Inboxes that one statement of the check reads. */
const CHECKED_AT_ONCE = 100
/** Fractional part of the golden ratio times 2^32: its multiples are spread evenly. */
const GOLDEN = 0x9e3779b1

/**
 * Called for each new message, in its transaction. Most calls do nothing: that is cheaper than to count messages that are
 * not indexed, and a message that is indexed later is found all the same.
 *
 * @param inbox  as it was before this message or a few others
 * @param number of the message
 */
export async function requestIndexing(tx: Tx, inbox: InboxRow, number: number, { search }: Limits): Promise<void> {
  if (inbox.message_count < BLOCK_TEXTS || (Math.imul(number, GOLDEN) >>> 0) % search.indexEvery !== 0) return
  await enqueue(tx, { kind: INDEX_MESSAGES, key: inbox.id })
}

/**
 * Removes the text of deleted messages from the index: soon, or at once with the last message of a block. Call this in the
 * transaction that deletes them, after that. The caller must lock the inbox.
 */
export async function removeFromIndex(
  tx: Tx,
  inboxId: string,
  numbers: readonly number[],
  { search }: Limits,
): Promise<void> {
  if (numbers.length === 0) return
  const blocks = await index.listContaining(tx, inboxId, numbers)
  const left: number[] = []
  for (const { id, after_number, last_number } of blocks) {
    const range = { inboxId, after: after_number, through: last_number }
    if (await index.hasMessages(tx, range)) left.push(id)
    else await index.removeBlocks(tx, [id])
  }
  if (left.length === 0) return
  await index.markRemoved(tx, left)
  await enqueue(tx, { kind: INDEX_MESSAGES, key: inboxId, runAt: tx.now + search.purgeDelayMs })
}

interface IndexNeeds {
  readonly store: Store
  readonly thread: Pick<SignatureThread, 'run'>
  readonly limits: Limits
}

export function createIndexMessages({ store, thread, limits }: IndexNeeds): JobHandler {
  const textFunction = textFunctionOf(limits)

  return async function indexMessages({ key: inboxId, signal }) {
    for (const block of await index.listRanges(store.db, inboxId)) {
      // The parts of the other blocks are not counted: that would read the whole index, after every few messages. A search
      // that misses a part marks the block.
      if (block.text_function !== textFunction) await change(inboxId, [block])
      else if (block.has_removed) await rewrite(block)
      else continue
      await pause()
    }
    let before: index.BlockRange | undefined
    for (const block of await index.listRanges(store.db, inboxId)) {
      await fillGap(before?.last_number ?? 0, block)
      before = block
    }
    for (let after = before?.last_number; ; ) {
      const rows = await signMessages({ after: after ?? 0, through: Number.MAX_SAFE_INTEGER })
      if (rows.length < BLOCK_TEXTS || !(await makeBlock(after ?? 0, rows))) return
      after = rows.at(-1)!.number
    }

    async function pause(): Promise<void> {
      await delay(limits.search.indexPauseMs, undefined, { signal })
    }

    /** Indexes what is between two blocks: one between them was outdated or damaged. */
    async function fillGap(start: number, { id, after_number: through }: index.BlockRange): Promise<void> {
      for (let after = start; after < through; ) {
        const rows = await signMessages({ after, through })
        if (rows.length === 0) {
          await store.transaction(async (tx) => {
            await inboxes.lockEvenIfDeleting(tx, inboxId)
            await index.extendBlock(tx, { id, after, through })
          })
          return
        }
        const last = rows.length < BLOCK_TEXTS ? through : rows.at(-1)!.number
        if (!(await makeBlock(after, rows, last))) return
        after = last
      }
    }

    /** Reads up to a block of messages, oldest first, and makes their signatures. */
    async function signMessages({ after, through }: { after: number; through: number }): Promise<Signed[]> {
      const signed: Signed[] = []
      while (signed.length < BLOCK_TEXTS) {
        const last = signed.at(-1)?.number ?? after
        const limit = Math.min(limits.search.indexReadRows, BLOCK_TEXTS - signed.length)
        if (signed.length === 0 && through === Number.MAX_SAFE_INTEGER) {
          if (!(await index.hasMessages(store.db, { inboxId, after }, BLOCK_TEXTS))) return []
        }
        const range = { inboxId, after: last, before: through + 1, limit, ascending: true }
        const rows = await index.listInRange(store.db, range)
        const bcc = await bccOf(store.db, rows)
        const texts = rows.map(
          ({ id, content_id, subject, search_text }): StoredText => ({
            ...{ content_id, subject },
            search_text: copyOf(search_text),
            bcc: bcc.get(id) ?? [],
          }),
        )
        const signatures = await thread.run({ name: 'sign', texts, charsMax: limits.parsing.searchTextCharsMax })
        signed.push(...rows.map(({ number }, position) => ({ number, signature: signatures[position]! })))
        if (rows.length < limit) break
        await pause()
      }
      return signed
    }

    async function makeBlock(after: number, rows: readonly Signed[], last = rows.at(-1)!.number): Promise<boolean> {
      return change(inboxId, [], await packBlock(after, last, rows))
    }

    /** Makes a block without the deleted messages, and with those of the next block if they have room in it. */
    async function rewrite(block: index.BlockRange): Promise<void> {
      const next = (await index.listRanges(store.db, inboxId)).find((each) => each.after_number === block.last_number)
      const mine = await signaturesOf(block)
      if (!mine) {
        await change(inboxId, [block]) // unless it was removed meanwhile
        return
      }
      const others = next?.text_function === textFunction ? await signaturesOf(next) : undefined
      const joins = next !== undefined && others !== undefined && mine.length + others.length <= BLOCK_TEXTS
      const rows = joins ? [...mine, ...others] : mine
      const last = joins ? next.last_number : block.last_number
      const made = rows.length > 0 ? await packBlock(block.after_number, last, rows) : undefined
      await change(inboxId, joins ? [block, next] : [block], made)
    }

    /** Returns the signatures of a block's messages that still exist; undefined: a part of the block is missing. */
    async function signaturesOf({ id, after_number, last_number }: index.BlockRange): Promise<Signed[] | undefined> {
      const numbers = await index.numbersOfBlock(store.db, id)
      if (!numbers) return undefined
      const present = new Set(await index.numbersIn(store.db, inboxId, after_number, last_number))
      const chunks = await index.chunksOf(store.db, id)
      if (chunks.length !== BLOCK_CHUNKS) return undefined
      const kept = [...decodeNumbers(numbers).entries()].filter(([, number]) => present.has(number))
      const positions = kept.map(([position]) => position)
      const signatures = await thread.run({ name: 'unpack', chunks: chunks.map((chunk) => copyOf(chunk)!), positions })
      return kept.map(([, number], at) => ({ number, signature: signatures[at]! }))
    }

    async function packBlock(after: number, last: number, rows: readonly Signed[]): Promise<NewBlock> {
      const chunks = await thread.run({ name: 'pack', signatures: rows.map(({ signature }) => signature) })
      return { after, last, numbers: rows.map(({ number }) => number), chunks }
    }
  }

  /** @returns false if another node has changed the same part of the index, or the inbox is being deleted */
  async function change(inboxId: string, old: readonly index.BlockRange[], made?: NewBlock): Promise<boolean> {
    const change = async (tx: Tx) => {
      // The lock of the inbox: no message is deleted between the check below and the commit.
      if (!(await inboxes.lockById(tx, inboxId))) return false
      const ids = old.map(({ id }) => id)
      if ((await index.removeBlocks(tx, ids)) !== ids.length) return false
      if (!made) return true
      const { after, last, numbers, chunks } = made
      if (await index.isAnyBlockIn(tx, { inboxId, after, through: last })) return false
      const left = await index.numbersIn(tx, inboxId, after, last)
      const isEach = left.length === numbers.length
      await index.insertBlock(
        tx,
        {
          inbox_id: inboxId,
          after_number: after,
          last_number: last,
          text_function: textFunction,
          numbers: encodeNumbers(numbers),
          has_removed: isEach ? 0 : 1,
        },
        chunks,
      )
      if (!isEach) await enqueue(tx, { kind: INDEX_MESSAGES, key: inboxId, runAt: tx.now + limits.search.purgeDelayMs })
      return true
    }
    return store.transaction(change, { fairnessKey: INDEX_MESSAGES })
  }
}

interface Signed {
  readonly number: number
  readonly signature: Uint8Array
}

interface NewBlock {
  readonly after: number
  readonly last: number
  readonly numbers: readonly number[]
  readonly chunks: readonly Uint8Array[]
}

/**
 * Enqueues the jobs of inboxes whose index is outdated or far behind: after an update of this program, a rebuild, or a
 * restart.
 */
export async function checkIndexes(
  { store, limits }: Pick<IndexNeeds, 'store' | 'limits'>,
  signal: AbortSignal,
): Promise<void> {
  const textFunction = textFunctionOf(limits)
  for (let afterId = ''; ; ) {
    const rows = await index.listInboxes(store.db, { afterId, textFunction, limit: CHECKED_AT_ONCE })
    const wanted: string[] = []
    for (const { id, last_number, outdated } of rows) {
      signal.throwIfAborted()
      const after = last_number ?? 0
      if (outdated > 0 || (await index.hasMessages(store.db, { inboxId: id, after }, BLOCK_TEXTS))) wanted.push(id)
    }
    if (wanted.length > 0) {
      await store.transaction(async (tx) => {
        for (const key of wanted) await enqueue(tx, { kind: INDEX_MESSAGES, key })
      })
    }
    if (rows.length < CHECKED_AT_ONCE) return
    afterId = rows.at(-1)!.id
  }
}

/** A buffer of its own: a thread would get a copy of the whole pool that a buffer of the driver is part of. */
function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes && Uint8Array.from(bytes)
}
