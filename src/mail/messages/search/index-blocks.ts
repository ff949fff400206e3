/**
 * Makes the blocks of one kind of an inbox's text index (docs/adr/0038, 0080), as a job:
 *
 *   removes outdated blocks → rewrites blocks with deleted messages → fills gaps → indexes the messages after the last block
 *
 * Crash, stop: what is committed stays, and the job runs again. Two jobs of an inbox and kind never run at once (leases), and a
 *   transaction rejects what another node has changed meanwhile.
 * Must not: hold up other work. Messages are read a few at a time, and a thread does the rest.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { BLOCK_CHUNKS, BLOCK_TEXTS, decodeNumbers, encodeNumbers } from '../../../formats/search/search-block.ts'
import type { Tx } from '../../../store/handles.ts'
import type { BlockKind } from '../../../store/schema/search-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { enqueue, type JobHandler } from '../../jobs/jobs.ts'
import type { SignatureThread } from './signature-thread.ts'

/** What the blocks of a kind contain. */
export interface IndexedTexts {
  readonly kind: BlockKind
  /** The kind of the job that makes them. */
  readonly jobKind: string
  /** Names what makes the signatures: blocks of another one are made again. */
  readonly textFunction: string
  /** Fewer messages after the last block are not indexed. If a block of them would not be full, the last block is extended. */
  readonly messagesMin: number
  /** Signs the first messages in a range, oldest first. @returns fewer than `limit` if there are no more */
  sign(inboxId: string, range: SignedRange): Promise<readonly SignedMessage[]>
}

/** Numbers in (after, before). */
export interface SignedRange {
  readonly after: number
  readonly before: number
  readonly limit: number
}

export interface SignedMessage {
  readonly number: number
  /** The signatures of its texts; at most a quarter of those of a block. */
  readonly signatures: readonly Uint8Array[]
}

interface BlocksNeeds {
  readonly store: Store
  readonly thread: Pick<SignatureThread, 'run'>
  readonly limits: Limits
}

interface NewBlock {
  readonly after: number
  readonly last: number
  readonly numbers: readonly number[]
  readonly chunks: readonly Uint8Array[]
}

/** A block with more signatures is not extended: the next message may not fit. */
const EXTENDED_TEXTS_MAX = (BLOCK_TEXTS * 3) / 4

export function createIndexBlocks({ store, thread, limits }: BlocksNeeds, texts: IndexedTexts): JobHandler {
  const { kind, textFunction, messagesMin } = texts

  return async function indexBlocks({ key: inboxId, signal }) {
    for (const block of await index.listRanges(store.db, inboxId, kind)) {
      // The parts of the other blocks are not counted: that would read the whole index, after every few messages. A search
      // that misses a part marks the block.
      if (block.text_function !== textFunction) await change(inboxId, [block])
      else if (block.has_removed) await rewrite(block)
      else continue
      await pause()
    }
    let before: index.BlockRange | undefined
    for (const block of await index.listRanges(store.db, inboxId, kind)) {
      await fillGap(before?.last_number ?? 0, block)
      before = block
    }
    await indexAfter(before)

    async function pause(): Promise<void> {
      await delay(limits.search.indexPauseMs, undefined, { signal })
    }

    /** Indexes what is between two blocks: one between them was outdated or damaged. */
    async function fillGap(start: number, { id, after_number: through }: index.BlockRange): Promise<void> {
      let signed: readonly SignedMessage[] = []
      for (let after = start; after < through; ) {
        const { fit, rest } = await signMessages({ after, through }, signed)
        if (fit.length === 0) {
          await store.transaction(async (tx) => {
            await inboxes.lockEvenIfDeleting(tx, inboxId)
            await index.extendBlock(tx, { id, after, through })
          })
          return
        }
        const last = rest.length === 0 && countOf(fit) < BLOCK_TEXTS ? through : fit.at(-1)!.number
        if (!(await change(inboxId, [], await packBlock(after, last, fit)))) return
        ;[after, signed] = [last, rest]
      }
    }

    async function indexAfter(lastBlock: index.BlockRange | undefined): Promise<void> {
      let after = lastBlock?.last_number ?? 0
      let signed: readonly SignedMessage[] = []
      let extended: index.BlockRange | undefined
      while (await index.hasMessages(store.db, { inboxId, after }, messagesMin)) {
        if (lastBlock && messagesMin < BLOCK_TEXTS && signed.length === 0) {
          const known = await signaturesOf(lastBlock)
          if (known && countOf(known) <= EXTENDED_TEXTS_MAX) [extended, signed] = [lastBlock, known]
        }
        lastBlock = undefined
        const { fit, rest } = await signMessages({ after, through: Number.MAX_SAFE_INTEGER }, signed)
        const last = fit.at(-1)?.number ?? after
        if (last <= after) return
        const made = await packBlock(extended?.after_number ?? after, last, fit)
        if (!(await change(inboxId, extended ? [extended] : [], made))) return
        ;[after, signed, extended] = [last, rest, undefined]
      }
    }

    /** Reads and signs messages, oldest first, until they have a block's signatures. @param signed the first ones */
    async function signMessages(
      { after, through }: { after: number; through: number },
      given: readonly SignedMessage[],
    ): Promise<{ fit: readonly SignedMessage[]; rest: readonly SignedMessage[] }> {
      const signed = [...given]
      for (let room = BLOCK_TEXTS - countOf(signed); room > 0; room = BLOCK_TEXTS - countOf(signed)) {
        const limit = Math.min(limits.search.indexReadRows, room)
        const from = Math.max(after, signed.at(-1)?.number ?? 0)
        const rows = await texts.sign(inboxId, { after: from, before: through + 1, limit })
        signed.push(...rows)
        if (rows.length < limit) break
        await pause()
      }
      let count = 0
      const end = signed.findIndex(({ signatures }) => {
        count += signatures.length
        return count > BLOCK_TEXTS
      })
      return end < 0 ? { fit: signed, rest: [] } : { fit: signed.slice(0, end), rest: signed.slice(end) }
    }

    /** Makes a block without the deleted messages, and with those of the next block if they have room in it. */
    async function rewrite(block: index.BlockRange): Promise<void> {
      const blocks = await index.listRanges(store.db, inboxId, kind)
      const next = blocks.find((each) => each.after_number === block.last_number)
      const mine = await signaturesOf(block)
      if (!mine) {
        await change(inboxId, [block]) // unless it was removed meanwhile
        return
      }
      const others = next?.text_function === textFunction ? await signaturesOf(next) : undefined
      const joins = next !== undefined && others !== undefined && countOf(mine) + countOf(others) <= BLOCK_TEXTS
      const rows = joins ? [...mine, ...others] : mine
      const last = joins ? next.last_number : block.last_number
      const made = rows.length > 0 ? await packBlock(block.after_number, last, rows) : undefined
      await change(inboxId, joins ? [block, next] : [block], made)
    }

    /** Returns the signatures of a block's messages that still exist; undefined: a part of the block is missing. */
    async function signaturesOf({
      id,
      after_number,
      last_number,
    }: index.BlockRange): Promise<SignedMessage[] | undefined> {
      const numbers = await index.numbersOfBlock(store.db, id)
      if (!numbers) return undefined
      const present = new Set(await index.numbersIn(store.db, inboxId, after_number, last_number))
      const chunks = await index.chunksOf(store.db, id)
      if (chunks.length !== BLOCK_CHUNKS) return undefined
      const kept = [...decodeNumbers(numbers).entries()].filter(([, number]) => present.has(number))
      const positions = kept.map(([position]) => position)
      const signatures = await thread.run({ name: 'unpack', chunks: chunks.map(copyOf), positions })
      const messages = new Map<number, Uint8Array[]>()
      for (const [at, [, number]] of kept.entries()) {
        const others = messages.get(number) ?? []
        messages.set(number, others)
        others.push(signatures[at]!)
      }
      return [...messages].map(([number, mine]) => ({ number, signatures: mine }))
    }

    async function packBlock(after: number, last: number, rows: readonly SignedMessage[]): Promise<NewBlock> {
      const chunks = await thread.run({ name: 'pack', signatures: rows.flatMap(({ signatures }) => signatures) })
      return { after, last, numbers: rows.flatMap(({ number, signatures }) => signatures.map(() => number)), chunks }
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
      if (await index.isAnyBlockIn(tx, { inboxId, kind, after, through: last })) return false
      const left = new Set(await index.numbersIn(tx, inboxId, after, last))
      const isEach = numbers.every((number) => left.has(number))
      await index.insertBlock(
        tx,
        {
          ...{ inbox_id: inboxId, kind },
          after_number: after,
          last_number: last,
          text_function: textFunction,
          numbers: encodeNumbers(numbers),
          has_removed: isEach ? 0 : 1,
        },
        chunks,
      )
      const runAt = tx.now + limits.search.purgeDelayMs
      if (!isEach) await enqueue(tx, { kind: texts.jobKind, key: inboxId, runAt })
      return true
    }
    return store.transaction(change, { fairnessKey: texts.jobKind })
  }
}

function countOf(messages: readonly SignedMessage[]): number {
  return messages.reduce((sum, { signatures }) => sum + signatures.length, 0)
}

/** A buffer of its own: a thread would get a copy of the whole pool that a buffer of the driver is part of. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes)
}
