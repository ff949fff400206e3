import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { joinBatches } from '../../src/edges/imap/commands/joined-batches.ts'
import { type FetchedMessage, ImapRefusal } from '../../src/edges/imap/session/mail-store.ts'

const LIMITS = withLimits({ imap: { markedBytesMax: 100 }, mailboxes: { changeMessages: 4 } })

const source = (sizeBytes: number, bytes: Buffer | undefined) => ({ sizeBytes, bytes }) as FetchedMessage['source'] & {}
const message = (uid: number, sizeBytes: number) => ({ uid, source: source(sizeBytes, Buffer.alloc(sizeBytes)) })

async function joined(...batches: FetchedMessage[][]): Promise<number[][]> {
  async function* all() {
    yield* batches
  }
  const found: number[][] = []
  for await (const batch of joinBatches(all(), LIMITS)) found.push(batch.map(({ uid }) => uid))
  return found
}

test('batches are joined up to a number of bytes', async () => {
  expect(await joined([message(1, 30), message(2, 30)], [message(3, 40)], [], [message(4, 1)])).toEqual([
    [1, 2, 3],
    [4],
  ])
  expect(await joined([message(1, 99), message(2, 2), message(3, 98), message(4, 1)])).toEqual([[1], [2, 3], [4]])
  expect(await joined([], [])).toEqual([])
})

test('a message that is larger is alone, in memory or not', async () => {
  expect(await joined([message(1, 1), message(2, 101), message(3, 1)])).toEqual([[1], [2], [3]])
  const large = { uid: 2, source: source(101, undefined) }
  expect(await joined([message(1, 1)], [large, message(3, 1)])).toEqual([[1], [2], [3]])
})

test('small messages, and those that are damaged, are joined up to a number', async () => {
  const damaged = (uid: number): FetchedMessage => ({ uid, isDamaged: true })
  expect(await joined([1, 2, 3].map(damaged), [message(4, 0), message(5, 0)])).toEqual([[1, 2, 3, 4], [5]])
})

test('of a message whose header is wanted, all of it counts: it may be in memory', async () => {
  const header = (uid: number) => ({ uid, source: source(60, Buffer.alloc(10)) })
  expect(await joined([header(1), header(2)])).toEqual([[1], [2]])
})

test('messages before a batch that the store refuses are not lost, unless the client has left', async () => {
  async function* all(error: Error) {
    yield [message(1, 1)]
    yield [message(2, 1)]
    throw error
  }
  for (const [error, found] of [
    [new ImapRefusal('UNAVAILABLE', 'the disk does not answer'), [[1, 2]]],
    [new DOMException('the client has left', 'AbortError'), []],
  ] as const) {
    const yielded: number[][] = []
    const reading = async () => {
      for await (const batch of joinBatches(all(error), LIMITS)) yielded.push(batch.map(({ uid }) => uid))
    }
    await expect(reading()).rejects.toBe(error)
    expect(yielded).toEqual(found)
  }
})
