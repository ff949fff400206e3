/**
 * The text index of an inbox, made after the commit of its messages (docs/adr/0038):
 *
 *   one of 64 messages enqueues a job → it removes outdated blocks → rewrites blocks with deleted messages → makes a block of
 *   each 256 messages that are in none
 *
 * The last messages of an inbox, and small inboxes, are in no block: a search compares them all. index-blocks.ts makes the
 * blocks; those of whole messages, for SEARCH of IMAP, are requested by source-index.ts.
 * Crash, stop: see index-blocks.ts.
 */
import type { Limits } from '../../../config/limits.ts'
import { BLOCK_TEXTS } from '../../../formats/search/search-block.ts'
import type { Tx } from '../../../store/handles.ts'
import type { BlockKind } from '../../../store/schema/search-rows.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { bccOf } from '../../../store/tables/addresses-table.ts'
import * as index from '../../../store/tables/search-index-table.ts'
import { enqueue, type JobHandler } from '../../jobs/jobs.ts'
import { copyOf, createIndexBlocks } from './index-blocks.ts'
import { INDEX_SOURCES } from './index-sources.ts'
import { type StoredText, textFunctionOf } from './message-text.ts'
import type { SignatureThread } from './signature-thread.ts'
import { sourceFunctionOf } from './source-signatures.ts'

/** The kind of the job. Key: the id of the inbox. It is stored in the database: never change it. */
export const INDEX_MESSAGES = 'index-messages'

const JOB_KINDS = { text: INDEX_MESSAGES, source: INDEX_SOURCES } as const

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
 * @returns undefined, without a promise, for most messages
 */
export function requestIndexing(
  tx: Tx,
  inbox: InboxRow,
  number: number,
  { search }: Limits,
): Promise<unknown> | undefined {
  if (inbox.message_count < BLOCK_TEXTS || (Math.imul(number, GOLDEN) >>> 0) % search.indexEvery !== 0) return undefined
  return enqueue(tx, { kind: INDEX_MESSAGES, key: inbox.id })
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
  const left: index.BlockRange[] = []
  for (const block of blocks) {
    const { id, after_number, last_number } = block
    const range = { inboxId, after: after_number, through: last_number }
    if (await index.hasMessages(tx, range)) left.push(block)
    else await index.removeBlocks(tx, [id])
  }
  if (left.length === 0) return
  await index.markRemoved(
    tx,
    left.map(({ id }) => id),
  )
  const runAt = tx.now + search.purgeDelayMs
  for (const kind of new Set(left.map((block) => JOB_KINDS[block.kind]))) {
    await enqueue(tx, { kind, key: inboxId, runAt })
  }
}

interface IndexNeeds {
  readonly store: Store
  readonly thread: Pick<SignatureThread, 'run'>
  readonly limits: Limits
}

export function createIndexMessages(needs: IndexNeeds): JobHandler {
  const { store, thread, limits } = needs
  return createIndexBlocks(needs, {
    ...{ kind: 'text', jobKind: INDEX_MESSAGES, textFunction: textFunctionOf(limits), messagesMin: BLOCK_TEXTS },

    async sign(inboxId, range) {
      const rows = await index.listInRange(store.db, { inboxId, ...range, ascending: true })
      const bcc = await bccOf(store.db, rows)
      const texts = rows.map(
        ({ id, content_id, subject, search_text }): StoredText => ({
          ...{ content_id, subject },
          search_text: search_text && copyOf(search_text),
          bcc: bcc.get(id) ?? [],
        }),
      )
      const signatures = await thread.run({ name: 'sign', texts, charsMax: limits.parsing.searchTextCharsMax })
      return rows.map(({ number }, position) => ({ number, signatures: [signatures[position]!] }))
    },
  })
}

/**
 * Enqueues the jobs of inboxes whose index is outdated or far behind: after an update of this program, a rebuild, or a
 * restart. The index of whole messages continues only when a mail program asks for it.
 */
export async function checkIndexes(
  { store, limits }: Pick<IndexNeeds, 'store' | 'limits'>,
  signal: AbortSignal,
): Promise<void> {
  await check('text', textFunctionOf(limits), ({ id, last_number }) =>
    index.hasMessages(store.db, { inboxId: id, after: last_number ?? 0 }, BLOCK_TEXTS),
  )
  await check('source', sourceFunctionOf(limits), async () => false)

  async function check(
    kind: BlockKind,
    textFunction: string,
    isBehind: (inbox: index.IndexedInbox) => Promise<boolean>,
  ): Promise<void> {
    for (let afterId = ''; ; ) {
      const rows = await index.listInboxes(store.db, { afterId, kind, textFunction, limit: CHECKED_AT_ONCE })
      const wanted: string[] = []
      for (const inbox of rows) {
        signal.throwIfAborted()
        if (inbox.outdated > 0 || (await isBehind(inbox))) wanted.push(inbox.id)
      }
      if (wanted.length > 0) {
        await store.transaction(async (tx) => {
          for (const key of wanted) await enqueue(tx, { kind: JOB_KINDS[kind], key })
        })
      }
      if (rows.length < CHECKED_AT_ONCE) return
      afterId = rows.at(-1)!.id
    }
  }
}
