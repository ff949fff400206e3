/**
 * Says which messages of an inbox may have a text anywhere, in header fields, HTML and attached texts too, by the index of whole messages
 * (index-sources.ts). SEARCH of IMAP reads only these. The index is a filter: what is missing in it is read, and no result changes.
 */
import type { Limits } from '../../../config/limits.ts'
import { queryBits } from '../../../formats/search/search-signature.ts'
import type { Log } from '../../../log.ts'
import type { Store } from '../../../store/store.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import { enqueue } from '../../jobs/jobs.ts'
import { findCandidates } from './candidates.ts'
import { INDEX_SOURCES } from './index-sources.ts'
import { repairBlocks } from './repair-blocks.ts'
import { OVERLAP_CHARS, sourceFunctionOf } from './source-signatures.ts'

/** Messages that may have a text. */
export interface SourceCandidates {
  /** Numbers of messages in the index, newest first. */
  readonly numbers: readonly number[]
  /** Ranges of numbers, (after, through], whose messages are not in the index. */
  readonly gaps: readonly index.NumberRange[]
}

export interface SourceIndex {
  /** @param text folded @returns undefined: the index excludes no message */
  find(inboxId: string, text: string, signal: AbortSignal): Promise<SourceCandidates | undefined>
  /** Called when a mail program opens or searches an inbox: enqueues the job if some messages are not indexed. Never rejects. */
  request(inboxId: string): Promise<void>
}

interface SourceIndexNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly clock: () => number
  readonly log: Log
  readonly limits: Limits
}

/** Blocks that are read at once. */
const BLOCKS_AT_ONCE = 64
/** Inboxes of which a node remembers when it has checked them. */
const CHECKED_MAX = 10_000

export function createSourceIndex({ store, clock, log, limits }: SourceIndexNeeds): SourceIndex {
  const { db } = store
  const textFunction = sourceFunctionOf(limits)
  const checkedAt = new BoundedCache<string, number>({ bytesMax: Number.POSITIVE_INFINITY, countMax: CHECKED_MAX })

  return {
    async find(inboxId, text, signal) {
      const bits = queryBits([text.slice(0, OVERLAP_CHARS)])
      if (bits.length === 0) return undefined
      const numbers: number[] = []
      const gaps: index.NumberRange[] = []
      const damaged: number[] = []
      let before = Number.MAX_SAFE_INTEGER
      for (let isLast = false; !isLast; ) {
        signal.throwIfAborted()
        const page = { inboxId, kind: 'source', textFunction, before, limit: BLOCKS_AT_ONCE } as const
        const blocks = await index.listBlocks(db, page)
        const candidates = await findCandidates(db, blocks, [bits])
        for (const { id, after_number, last_number } of blocks) {
          const mine = candidates.get(id)
          if (mine) numbers.push(...mine)
          else damaged.push(id)
          const through = before - 1
          const after = mine ? last_number : after_number
          if (through > after) gaps.push({ after, through })
          before = after_number + 1
        }
        isLast = blocks.length < BLOCKS_AT_ONCE
      }
      await repairBlocks({ store, log }, { inboxId, jobKind: INDEX_SOURCES, damaged })
      if (before === Number.MAX_SAFE_INTEGER) return undefined
      if (before > 1) gaps.push({ after: 0, through: before - 1 })
      return { numbers, gaps }
    },

    async request(inboxId) {
      const now = clock()
      if (now - (checkedAt.get(inboxId) ?? Number.NEGATIVE_INFINITY) < limits.search.sourceCheckMs) return
      checkedAt.set(inboxId, now, 0)
      try {
        const blocks = await index.listRanges(db, inboxId, 'source')
        let after = 0
        let isBehind = false
        for (const block of blocks) {
          // A gap without messages is closed by the job too.
          if (block.text_function !== textFunction || block.after_number > after) isBehind = true
          after = block.last_number
        }
        isBehind ||= await index.hasMessages(db, { inboxId, after }, limits.search.sourceMessagesMin)
        if (isBehind) await store.transaction((tx) => enqueue(tx, { kind: INDEX_SOURCES, key: inboxId }))
      } catch (error) {
        log.warn({ err: error, inboxId }, 'the text index of whole messages was not requested; it will be later')
      }
    },
  }
}
