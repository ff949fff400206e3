/**
 * Tests the turns of SEARCH commands that compare whole messages: an organization delays only its own, and who leaves frees its place. The test
 * decides when a large message has been read.
 */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createSources } from '../../src/mail/mailboxes/search/search-sources.ts'
import type { PackedTexts } from '../../src/mail/messages/content/message-structure.ts'
import { openTestStore } from '../store/test-store.ts'

const SMALL = Buffer.from('Subject: small\r\n\r\nthe needle')
const LARGE_BYTES = 2_000
const FULL = { code: 'read_queue_full' }

/** A large message whose turn in the queue of the thread the test decides. */
interface Read {
  readonly organization: string
  readonly signal: AbortSignal
  /** Its turn comes. @returns false: it has no place in memory, so that its turn passes */
  isLoaded(): Promise<boolean>
  finish(texts: PackedTexts | undefined): void
}

async function openSources(overrides: LimitOverrides = {}) {
  const limits = withLimits(mergeLimits({ mailboxes: { sourceBytesMax: 1_000 } }, overrides))
  const store = await openTestStore({})
  const ended = new AbortController()
  onTestFinished(async () => {
    ended.abort()
    await store[Symbol.asyncDispose]()
  })
  const [small, large] = await store.transaction(async (tx) => {
    const ids = [tx.newId(), tx.newId()] as const
    const sizes = { parsed_size_bytes: 0, parsed_head_bytes: 0, created_at: tx.now }
    const rows = [
      { id: ids[0], size_bytes: SMALL.length, bytes: SMALL },
      { id: ids[1], size_bytes: LARGE_BYTES, bytes: null },
    ]
    for (const row of rows)
      await tx
        .insertInto('contents')
        .values({ ...row, ...sizes })
        .execute()
    return ids
  })
  const reads: Read[] = []
  const contents = {
    async *read() {
      yield SMALL
    },
  }
  const sources = createSources({
    ...{ store, contents, limits, reportDamage: () => undefined },
    mailReader: {
      readTexts: ({ fairnessKey, signal, load }) =>
        new Promise((finish, fail) => {
          const isLoaded = async () => {
            try {
              await load(1)
              return true
            } catch (error) {
              fail(error)
              return false
            }
          }
          reads.push({ organization: fairnessKey, signal: signal!, isLoaded, finish })
        }),
    },
  })
  const match = (organization: string, id: string, sizeBytes: number, signal = ended.signal) => {
    const content = { id, sizeBytes, turn: { fairnessKey: organization } }
    const query = { text: 'needle', inHeader: true }
    const matched = sources.match([{ key: organization, content, isIndexed: true }], query, signal)
    matched.catch(() => undefined)
    return matched
  }
  return {
    reads,
    /** Of the large messages that the thread has been asked for. */
    asked: () => reads.map(({ organization }) => organization),
    /** Whether the large message is not read for a text, because of what is known from the search of the organization. */
    excludes: (organization: string, text: string) => sources.excluder({ text, inHeader: true })(organization),
    searchSmall: (organization: string) => match(organization, small, SMALL.length),
    searchLarge: (organization: string, signal?: AbortSignal) => match(organization, large, LARGE_BYTES, signal),
  }
}

function textsOf(texts: readonly string[]): PackedTexts {
  return {
    kinds: texts.map((_, at) => (at === 0 ? '0' : '2')).join(''),
    sizes: texts.map(({ length }) => length),
    bytes: Buffer.from(texts.join('')),
  }
}
const NEEDLE = textsOf(['the needle'])

// The searches of a node waited for each other: one organization with a few slow messages delayed all.
test('many searches of slow messages in one organization delay none in another', async () => {
  const { searchSmall, searchLarge, reads, asked } = await openSources()
  const slow = Array.from({ length: 5 }, () => searchLarge('a'))
  await expect.poll(asked).toEqual(['a'])
  expect(await searchSmall('b')).toEqual([true])
  expect(await searchSmall('a')).toEqual([true])
  const large = searchLarge('b')
  await expect.poll(asked).toEqual(['a', 'b'])
  reads[1]!.finish(NEEDLE)
  expect(await large).toEqual([true])
  for (let at = 0; at < slow.length; at += 1) {
    const place = at === 0 ? 0 : at + 1
    await expect.poll(() => reads.length).toBeGreaterThan(place)
    reads[place]!.finish(NEEDLE)
    expect(await slow[at]).toEqual([true])
  }
})

test('organizations take turns with small messages', async () => {
  const { searchSmall } = await openSources({ mailboxes: { searchSourcesMax: 1 } })
  const order: string[] = []
  const search = async (organization: string) => {
    await searchSmall(organization)
    order.push(organization)
  }
  await Promise.all([...'aaaaaab'].map(search))
  expect(order.slice(0, 3)).toEqual(['a', 'b', 'a'])
})

test('a client that leaves frees its place, and what waits is not read', async () => {
  const { searchLarge, reads, asked } = await openSources()
  const [running, waiting] = [new AbortController(), new AbortController()]
  const searches = [searchLarge('a', running.signal), searchLarge('a', waiting.signal), searchLarge('a')]
  await expect.poll(asked).toEqual(['a'])
  waiting.abort()
  await expect(searches[1]).rejects.toThrow('aborted')
  expect(asked()).toEqual(['a'])
  running.abort()
  await expect(searches[0]).rejects.toThrow('aborted')
  await expect.poll(asked).toEqual(['a', 'a'])
  reads[1]!.finish(NEEDLE)
  expect(await searches[2]).toEqual([true])
})

test('the number of searches that wait is limited', async () => {
  const { searchSmall, searchLarge, asked } = await openSources({ mailboxes: { searchesPerOrganizationMax: 1 } })
  void searchLarge('a')
  void searchLarge('a')
  await expect(searchLarge('a')).rejects.toMatchObject(FULL)
  await expect.poll(asked).toEqual(['a'])
  void searchLarge('b')
  await expect.poll(asked).toEqual(['a', 'b'])
  expect(await searchSmall('a')).toEqual([true])
})

// The thread waited, and with it the structures of large messages.
test('while others are in memory, the turn of a large message passes; it gets a new one', async () => {
  const { searchLarge, reads, asked } = await openSources({ mailboxes: { searchSourcesMax: 1 } })
  const first = searchLarge('a')
  await expect.poll(asked).toEqual(['a'])
  const second = searchLarge('b')
  await expect.poll(asked).toEqual(['a', 'b'])
  expect(await reads[0]!.isLoaded()).toBe(true)
  expect(await reads[1]!.isLoaded()).toBe(false)
  reads[0]!.finish(NEEDLE)
  expect(await first).toEqual([true])
  await expect.poll(asked).toEqual(['a', 'b', 'b'])
  expect(await reads[2]!.isLoaded()).toBe(true)
  expect(await reads[2]!.isLoaded()).toBe(true) // once more, because it has ended the thread
  reads[2]!.finish(NEEDLE)
  expect(await second).toEqual([true])
})

test('one that a client has left is in memory until it was read; one that waits for its turn leaves the queue', async () => {
  const { searchLarge, reads, asked } = await openSources({ mailboxes: { searchSourcesMax: 1 } })
  const [reading, waiting] = [new AbortController(), new AbortController()]
  const left = [searchLarge('a', reading.signal), searchLarge('b', waiting.signal)]
  await expect.poll(asked).toEqual(['a', 'b'])
  expect(await reads[0]!.isLoaded()).toBe(true)
  expect(await reads[1]!.isLoaded()).toBe(false)
  const stays = searchLarge('c')
  await expect.poll(asked).toEqual(['a', 'b', 'c'])
  for (const [at, client] of [reading, waiting].entries()) {
    client.abort()
    expect(reads[at]!.signal.aborted).toBe(true)
    await expect(left[at]).rejects.toThrow('aborted')
  }
  expect(await reads[2]!.isLoaded()).toBe(false)
  reads[0]!.finish(NEEDLE)
  await expect.poll(asked).toEqual(['a', 'b', 'c', 'c'])
  expect(await reads[3]!.isLoaded()).toBe(true)
  reads[3]!.finish(NEEDLE)
  expect(await stays).toEqual([true])
})

test('of a message that cannot be read for now, nothing is remembered', async () => {
  const { searchLarge, excludes, reads, asked } = await openSources()
  const unread = searchLarge('a')
  await expect.poll(asked).toEqual(['a'])
  reads[0]!.finish(undefined)
  expect(await unread).toEqual([true]) // its bytes have the text
  expect(excludes('a', 'absent words')).toBe(false)
  const read = searchLarge('a')
  await expect.poll(asked).toEqual(['a', 'a'])
  reads[1]!.finish(NEEDLE)
  expect(await read).toEqual([true])
  expect(excludes('a', 'absent words')).toBe(true)
})
