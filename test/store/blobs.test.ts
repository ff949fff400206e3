/** Tests blobs as files: complete or absent, found by random keys, deleted by age. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isMailError } from '../../src/errors.ts'
import { openFileBlobs } from '../../src/store/blobs/blob-files.ts'
import { deferred, openTestStore, rejection, type TestStore } from './test-store.ts'

test('a stored object is read back, with its size and hash', async () => {
  await using store = await openTestStore()
  const bytes = Buffer.from('grüße '.repeat(50_000))
  const put = await store.blobs.put(inChunks(bytes, 10_000))
  expect(put.sizeBytes).toBe(bytes.length)
  expect(await read(store, put.key)).toEqual(bytes)
})

test.each([
  [0, 10, '0123456789'],
  [3, 5, '34'],
  [9, 10, '9'],
  [5, 5, ''],
  [8, 100, '89'],
  [10, 20, ''],
])('a range from %i to %i returns only those bytes', async (start, end, expected) => {
  await using store = await openTestStore()
  const { key } = await store.blobs.put(inChunks(Buffer.from('0123456789'), 3))
  expect(String(await read(store, key, { start, end }))).toBe(expected)
})

test('an empty object can be stored and read', async () => {
  await using store = await openTestStore()
  const { key, sizeBytes } = await store.blobs.put(inChunks(Buffer.alloc(0), 1))
  expect(sizeBytes).toBe(0)
  expect(await read(store, key)).toEqual(Buffer.alloc(0))
})

// 50 MiB were flushed at once, and commits waited for the disk meanwhile, which stopped the event loop for up to 80 ms.
test('a large object is written in few calls, and flushed in parts of 8 MiB', async () => {
  await using store = await openTestStore()
  const calls = await watchFiles(store.dataDir)
  const { key } = await store.blobs.put(inChunks(Buffer.alloc(20 * MIB, 'a'), 50_000))
  expect(calls).toEqual([...flushedPart, ...flushedPart, ...parts(4), 'sync'])
  expect((await read(store, key)).equals(Buffer.alloc(20 * MIB, 'a'))).toBe(true)
})

const MIB = 1024 * 1024
/** Writes of a number of MiB, by their sizes. */
const parts = (mib: number) => Array.from({ length: mib * 4 }, () => MIB / 4)
const flushedPart = [...parts(8), 'datasync']

/** Returns the prototype of open files, which gets its methods back after the test. */
async function openFiles(folder: string): Promise<FileHandle> {
  await using handle = await open(folder)
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  const { write, datasync, sync } = prototype
  onTestFinished(() => void Object.assign(prototype, { write, datasync, sync }))
  return prototype
}

/** Returns the writes and flushes of files from now on, until a folder is flushed. */
async function watchFiles(folder: string): Promise<(number | string)[]> {
  const calls: (number | string)[] = []
  const prototype = await openFiles(folder)
  const { write, datasync, sync } = prototype
  let isWriting = true
  Object.assign(prototype, {
    write(this: FileHandle, bytes: Uint8Array, at: number) {
      calls.push(bytes.byteLength)
      return Reflect.apply(write, this, [bytes, at])
    },
    datasync(this: FileHandle) {
      calls.push('datasync')
      return datasync.call(this)
    },
    sync(this: FileHandle) {
      if (isWriting) calls.push('sync')
      isWriting = false
      return sync.call(this)
    },
  })
  return calls
}

test('an object of which a part cannot be flushed is refused, and leaves nothing behind', async () => {
  await using store = await openTestStore()
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  Object.assign(await openFiles(store.dataDir), { datasync: () => Promise.reject(full) })
  const error = await rejection(store.blobs.put(inChunks(Buffer.alloc(9 * MIB), 50_000)))
  expect(isMailError(error, 'disk_full')).toBe(true)
  expect(await readdir(join(store.dataDir, 'blobs', 'incoming'))).toEqual([])
})

// Each had 256 KiB from its first byte on, which no limit counted.
test('an object whose source stalls costs little more memory than what has arrived', async () => {
  await using store = await openTestStore()
  const mayEnd = deferred()
  let stalled = 0
  async function* stalling() {
    yield Buffer.alloc(1_000)
    stalled += 1
    await mayEnd.promise
  }
  const before = process.memoryUsage().arrayBuffers
  const puts = Array.from({ length: 50 }, () => store.blobs.put(stalling()))
  await expect.poll(() => stalled).toBe(50)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MIB)
  mayEnd.resolve()
  expect((await Promise.all(puts)).map(({ sizeBytes }) => sizeBytes)).toEqual(puts.map(() => 1_000))
})

test('a source that fails leaves nothing behind, and its error is passed on', async () => {
  await using store = await openTestStore()
  async function* broken() {
    yield Buffer.from('half of it')
    throw new Error('peer went away')
  }
  expect(await rejection(store.blobs.put(broken()))).toEqual(new Error('peer went away'))
  expect(await readdir(join(store.dataDir, 'blobs', 'incoming'))).toEqual([])
  expect(await listOlder(store, Date.now() + 60_000)).toEqual([])
})

// Only a missing folder was noticed: on one that was mounted read-only, the server was ready and refused each large message.
test('a folder that exists and cannot be written is refused when it is opened', async () => {
  await using store = await openTestStore()
  const root = join(store.dataDir, 'blobs')
  await openFileBlobs({ root, random: randomBytes })
  expect(await readdir(root, { recursive: true })).toEqual(['incoming'])
  await rm(join(root, 'incoming'), { recursive: true })
  await symlink('/proc', join(root, 'incoming')) // not even root can create a file there
  await expect(openFileBlobs({ root, random: randomBytes })).rejects.toThrow(
    `The folder of large messages ${root} cannot be created or written (ENOENT)`,
  )
})

test('a deleted object is not found, and deleting it again is no error', async () => {
  await using store = await openTestStore()
  const { key } = await store.blobs.put(inChunks(Buffer.from('x'), 1))
  await store.blobs.delete(key)
  await store.blobs.delete(key)
  expect(isMailError(await rejection(read(store, key)), 'not_found')).toBe(true)
})

test.each(['../martlet.db', 'incoming/x', '', '/etc/passwd', 'A'.repeat(32), `${'a'.repeat(32)}/..`, 'a'.repeat(31)])(
  'the key %j is refused before it becomes a path',
  async (key) => {
    await using store = await openTestStore()
    expect(String(await rejection(read(store, key)))).toContain('not a blob key')
    expect(String(await rejection(store.blobs.delete(key)))).toContain('not a blob key')
  },
)

test('only old objects are listed, and old temp files of a crash are deleted', async () => {
  await using store = await openTestStore()
  const old = await store.blobs.put(inChunks(Buffer.from('old'), 1))
  await store.blobs.put(inChunks(Buffer.from('young'), 1))
  const root = join(store.dataDir, 'blobs')
  const dayAgo = new Date(Date.now() - 86_400_000)
  await utimes(join(root, old.key.slice(0, 2), old.key), dayAgo, dayAgo)
  await writeFile(join(root, 'incoming', 'left-by-a-crash'), 'half')
  await utimes(join(root, 'incoming', 'left-by-a-crash'), dayAgo, dayAgo)
  await writeFile(join(root, 'incoming', 'being-written'), 'half')
  await mkdir(join(root, 'lost+found'))

  expect(await listOlder(store, Date.now() - 3_600_000)).toEqual([old.key])
  expect(await readdir(join(root, 'incoming'))).toEqual(['being-written'])
})

async function* inChunks(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

async function read(store: TestStore, key: string, range?: { start: number; end: number }): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of store.blobs.get(key, range)) parts.push(part)
  return Buffer.concat(parts)
}

async function listOlder(store: TestStore, timeMs: number): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.blobs.listOlderThan(timeMs)) keys.push(key)
  return keys
}
