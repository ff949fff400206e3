/** Tests the check of free space: callers are refused before the disk is full, and accepted again later. */
import { expect, test } from 'vitest'
import { deferred, openTestStore, rejection } from './test-store.ts'

const MIB = 1024 * 1024

test('below the minimum free space callers are refused, until there is enough space again', async () => {
  let free = 63 * MIB
  let looked = deferred()
  await using store = await openTestStore({
    limits: { store: { diskFreeBytesMin: 64 * MIB, diskCheckMs: 1 } },
    freeBytes: async () => {
      looked.resolve()
      return free
    },
  })
  expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'disk_full' }))
  await store.transaction(async () => 'removals must go on') // transactions that free space may still run

  free = 65 * MIB
  await untilLookedTwice()
  store.checkWritable()

  async function untilLookedTwice(): Promise<void> {
    for (let look = 0; look < 2; look++) {
      looked = deferred()
      await looked.promise
    }
  }
})

test('a folder whose free space cannot be read counts as unavailable', async () => {
  await using store = await openTestStore({ freeBytes: () => Promise.reject(new Error('stale file handle')) })
  expect(() => store.checkWritable()).toThrow(expect.objectContaining({ code: 'unavailable' }))
})

test('the probe reads and writes, and rejects on a closed store', async () => {
  const store = await openTestStore()
  await store.probe()
  await store[Symbol.asyncDispose]()
  expect(await rejection(store.probe())).toBeDefined()
})
