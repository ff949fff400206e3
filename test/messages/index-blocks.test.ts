/**
 * Tests the blocks of messages that have several signatures each: which messages a block has, after some blocks were lost. The signatures are given, so
 * that a block is made in milliseconds.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { BLOCK_CHUNKS, packSignatures, unpackSignatures } from '../../src/formats/search/search-block.ts'
import { signatureOf } from '../../src/formats/search/search-signature.ts'
import { createLog } from '../../src/log.ts'
import { createIndexBlocks } from '../../src/mail/messages/search/index-blocks.ts'
import { INDEX_SOURCES } from '../../src/mail/messages/search/index-sources.ts'
import { createSourceIndex } from '../../src/mail/messages/search/source-index.ts'
import { sourceFunctionOf } from '../../src/mail/messages/search/source-signatures.ts'
import { listRanges, removeBlocks } from '../../src/store/tables/search-index-table.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const limits = withLimits({ search: { indexPauseMs: 0, sourceCheckMs: 0, sourceMessagesMin: 8 } })
const MESSAGES = 100
/** 32 messages fill a block. */
const SIGNATURES = 8

let store: TestStore
let inboxId: string
/** By position in the inbox. */
const numbers: number[] = []
const logged: string[] = []
beforeAll(async () => {
  store = await openTestStore({})
  await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    inboxId = ids.inbox_id
    for (let count = 0; count < MESSAGES; count += 1) numbers.push((await insertMessage(tx, ids)).number)
  })
})
afterAll(() => store[Symbol.asyncDispose]())

async function runJob(): Promise<void> {
  const run = createIndexBlocks(
    {
      store,
      limits,
      thread: {
        async run(task) {
          if (task.name === 'pack') return packSignatures(task.signatures)
          if (task.name === 'unpack') return unpackSignatures(task.chunks, task.positions)
          throw new Error(`no ${task.name} here`)
        },
      },
    },
    {
      kind: 'source',
      jobKind: INDEX_SOURCES,
      textFunction: sourceFunctionOf(limits),
      messagesMin: limits.search.sourceMessagesMin,
      async sign(_inboxId, { after, before, limit }) {
        const some = numbers.filter((number) => number > after && number < before).slice(0, limit)
        return some.map((number) => {
          const signature = signatureOf([wordOf(number)])
          return { number, signatures: Array.from({ length: SIGNATURES }, () => signature) }
        })
      },
    },
  )
  const { signal } = new AbortController()
  await run({ kind: INDEX_SOURCES, key: inboxId, payload: {}, attempt: 1, signal })
}

const wordOf = (number: number) => `the word of message ${number}.`

function sourceIndex(on: Pick<TestStore, 'db' | 'transaction'> = store) {
  const log = createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line).msg) })
  return createSourceIndex({ store: on, clock: Date.now, log, limits })
}

/** Whether a SEARCH reads the message. */
async function mayFind(number: number, on?: Pick<TestStore, 'db' | 'transaction'>): Promise<boolean> {
  const found = (await sourceIndex(on).find(inboxId, wordOf(number), new AbortController().signal))!
  return found.numbers.includes(number) || found.gaps.some(({ after, through }) => number > after && number <= through)
}

async function requested(): Promise<string[]> {
  await store.transaction((tx) => tx.deleteFrom('jobs').execute())
  await sourceIndex().request(inboxId)
  return (await store.db.selectFrom('jobs').select('kind').execute()).map(({ kind }) => kind)
}

const blocks = () => listRanges(store.db, inboxId, 'source')

test('blocks that were lost are requested and made again, with every message', async () => {
  await runJob()
  const made = await blocks()
  expect(made.map(({ last_number }) => numbers.indexOf(last_number) + 1)).toEqual([32, 64, 96])
  expect(await requested()).toEqual([])
  await store.transaction((tx) =>
    removeBlocks(
      tx,
      made.slice(0, 2).map(({ id }) => id),
    ),
  )
  expect(await requested()).toEqual([INDEX_SOURCES]) // although the last block is there
  await runJob()
  expect(await requested()).toEqual([])
  expect((await blocks()).map(({ last_number }) => numbers.indexOf(last_number) + 1)).toEqual([32, 64, 96])
  for (const number of numbers) expect(await mayFind(number), String(number)).toBe(true)
})

test('a search reads the messages of a damaged block, also when nothing can be stored', async () => {
  const [block] = await blocks()
  const full = {
    db: store.db,
    transaction: () => Promise.reject(new Error('the disk is full')),
  }
  const first = block!.id * BLOCK_CHUNKS
  await store.transaction((tx) =>
    tx
      .deleteFrom('search_chunks')
      .where('id', '>=', first)
      .where('id', '<', first + BLOCK_CHUNKS)
      .execute(),
  )
  for (const number of numbers.slice(0, 32)) expect(await mayFind(number, full), String(number)).toBe(true)
  expect(logged).toContain('damaged blocks of the text index were not marked; the next search will do it')
})
