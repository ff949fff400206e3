/** Messages that are prepared for a transaction: what is stored, and what remains of one that is not stored. */
import { readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import type { HeaderChange } from '../../src/mail/messages/content/changed-header.ts'
import { decompressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { contentSteps } from '../../src/mail/messages/content/insert-content.ts'
import { createPrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import { deferred, openTestStore, type TestStore } from '../store/test-store.ts'
import { createParserHere } from '../support/parse-here.ts'

const limits = withLimits({ store: { inlineBytesMax: 100 } })
const HEAD = Buffer.from('Return-Path: <bob@example.test>\r\n')
/** Long enough for two blobs: one of the message, one of its compressed bodies. */
const MAIL = Buffer.from(`Subject: squares\r\n\r\n${Array.from({ length: 500 }, (_, n) => n * n).join(' ')}\r\n`)

const fairnessKey = 'network 192.0.2.1'
const inMemory = () => ({ fairnessKey, raw: MAIL, bytesMax: MAIL.length })
const streamed = () => ({ fairnessKey, raw: { head: HEAD, chunks: inChunks(MAIL) }, bytesMax: MAIL.length })

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
  return () => store[Symbol.asyncDispose]()
})
afterEach(async () => discardBlobs()(await blobKeys()))

function discardBlobs() {
  return createDiscardBlobs({ store, log: createLog('silent') })
}

const { expectMail, parse: parseHere } = createParserHere(limits)

function preparing(parse = parseHere, inlineBytesMax = limits.store.inlineBytesMax) {
  return createPrepareContent({
    store,
    mailParser: { parse, expectMail },
    discardBlobs: discardBlobs(),
    limits: withLimits({ store: { inlineBytesMax } }),
  })
}

async function blobKeys(): Promise<string[]> {
  const keys: string[] = []
  for await (const key of store.blobs.listOlderThan(Date.now() + 60_000)) keys.push(key)
  return keys
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50)
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = []
  for await (const chunk of chunks) read.push(chunk)
  return Buffer.concat(read)
}

test.each([
  ['that stays in memory', MAIL.length + HEAD.length, false],
  ['that is written to a blob', 100, true],
])(
  'the arrival of a message %s is reported once, with its size, between its last byte and the check',
  async (_name, inlineBytesMax, isInBlob) => {
    const steps: (string | number)[] = []
    async function* chunks() {
      yield* inChunks(MAIL)
      steps.push('last byte')
    }
    const check = async () => {
      steps.push('check')
      return { checked: undefined }
    }
    const onArrived = (sizeBytes: number) => steps.push(sizeBytes)
    const raw = { head: HEAD, chunks: chunks() }
    const content = await preparing(parseHere, inlineBytesMax)({ ...streamed(), raw, onArrived, check })
    expect(steps).toEqual(['last byte', MAIL.length, 'check'])
    expect((await blobKeys()).length > 0).toBe(isInBlob)
    await content.discard()
  },
)

test.each([
  ['in memory', inMemory, MAIL],
  ['from a stream, after the header fields of this server', streamed, Buffer.concat([HEAD, MAIL])],
])('a message %s is stored with its parsed bodies', async (_name, source, expected) => {
  const content = await preparing()(source())
  expect(content.parsed.subject).toBe('squares')
  const { id, sizeBytes } = await store.transaction(async (tx) => {
    const rows = content.rows(tx)
    await tx.runRows(contentSteps([rows]))
    return { id: rows.row.id, sizeBytes: rows.row.size_bytes }
  })

  expect(sizeBytes).toBe(expected.length)
  expect(await joined(createContents({ store }).read(id))).toEqual(expected)
  const row = await store.db.selectFrom('contents').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  expect((await blobKeys()).sort()).toEqual([row.blob_key, row.parsed_blob_key].sort())
  expect(decompressBodies(await joined(store.blobs.get(row.parsed_blob_key!))).text).toContain('0 1 4 9 16')
})

test('a message in a blob is parsed from its file, with the fields that a check has added; one in memory has no file', async () => {
  const files: (string | undefined)[] = []
  const prepareContent = preparing(async (mail) => {
    files.push(mail.file === undefined ? undefined : String(readFileSync(mail.file)))
    return parseHere(mail)
  })
  const check = async () => ({ checked: undefined, head: Buffer.from('X: y\r\n') })
  await prepareContent(streamed())
  await prepareContent({ ...streamed(), check })
  await prepareContent({ fairnessKey, raw: Buffer.from('Subject: small\r\n\r\n'), bytesMax: 100 })
  expect(files).toEqual([`${HEAD}${MAIL}`, `X: y\r\n${HEAD}${MAIL}`, undefined])
})

test.each([
  ['in memory', 1_000_000],
  ['in a blob', 100],
])('what a check leaves out of a message %s is not stored', async (_where, inlineBytesMax) => {
  const header = 'From x\r\nA: 1\r\nB: 2\r\nC: 3\r\nA: 4\r\n 5\r\nD: 6\r\n\r\n'
  const body = 'A: 1\r\n'.repeat(2_000)
  const stored = async (change: HeaderChange) => {
    const check = async () => ({ checked: undefined, ...change })
    const raw = { head: Buffer.alloc(0), chunks: inChunks(Buffer.from(header + body)) }
    let parsed: Buffer | undefined
    const prepareContent = preparing(async (mail) => {
      parsed = Buffer.from((await mail.load()).bytes)
      return parseHere(mail)
    }, inlineBytesMax)
    const { mailBytes } = await prepareContent({ fairnessKey, raw, bytesMax: 1e9, check })
    expect(mailBytes).toBe(parsed!.length)
    expect(parsed!.subarray(-body.length).toString()).toBe(body)
    return parsed!.subarray(0, -body.length).toString()
  }
  const rangeOf = (text: string) => ({ start: header.indexOf(text), end: header.indexOf(text) + text.length })
  const head = Buffer.from('X: y\r\n')
  const removed = ['From x\r\n', 'B: 2\r\n', 'C: 3\r\n'].map(rangeOf)
  expect(await stored({ head, removed })).toBe('X: y\r\nA: 1\r\nA: 4\r\n 5\r\nD: 6\r\n\r\n')
  const removedFields = { lowerName: 'a', headerEnd: header.length - 2 }
  expect(await stored({ removedFields })).toBe('From x\r\nB: 2\r\nC: 3\r\nD: 6\r\n\r\n')
  expect(await stored({ head, removed, removedFields })).toBe('X: y\r\nD: 6\r\n\r\n')
  expect(await stored({})).toBe(header)
})

test('a message that is discarded leaves no blob', async () => {
  const content = await preparing()(streamed())
  expect(await blobKeys()).toHaveLength(2)
  await content.discard(new MailError('unavailable', {}))
  expect(await blobKeys()).toEqual([])
})

test('the blobs stay when the transaction may have been committed', async () => {
  const content = await preparing()(inMemory())
  await content.discard(new MailError('outcome_unknown', {}))
  expect(await blobKeys()).toHaveLength(2)
})

// What is not read stays in the socket (test/smtp/limits.test.ts: a slow core slows the peer down).
test('a message for the disk is read no faster than the disk takes it', async () => {
  const disk = await holdWrites()
  const chunk = Buffer.alloc(64 * 1024, 'x')
  let readBytes = 0
  async function* source() {
    for (let sent = 0; sent < 128; sent += 1) {
      readBytes += chunk.length
      yield chunk
    }
  }
  const prepareContent = preparing(async () => {
    throw new MailError('parse_queue_full', {}) // parsing is not the subject
  })
  const raw = { head: HEAD, chunks: source() }
  const prepared = prepareContent({ fairnessKey, raw, bytesMax: 1e9 })
  prepared.catch(() => undefined)
  await disk.isWriting
  for (let turn = 0; turn < 500; turn += 1) await nextTurn() // enough for a reader without a limit to read everything
  expect(readBytes).toBeLessThanOrEqual(6 * chunk.length)

  disk.release()
  await expect(prepared).rejects.toMatchObject({ code: 'parse_queue_full' })
  expect(readBytes).toBe(128 * chunk.length)
})

/** Makes all writes to files wait. */
async function holdWrites() {
  const handle = await open(import.meta.filename)
  const prototype = Object.getPrototypeOf(handle) as Pick<FileHandle, 'write'>
  await handle.close()
  const { write } = prototype
  const [writing, released] = [deferred(), deferred()]
  const spy = vi.spyOn(prototype, 'write').mockImplementation(async function (this: FileHandle, ...given: unknown[]) {
    writing.resolve()
    await released.promise
    return (write as (...values: unknown[]) => never).apply(this, given)
  } as never)
  onTestFinished(() => spy.mockRestore())
  return { isWriting: writing.promise, release: () => released.resolve() }
}

test('a check runs when all bytes have arrived; a message that it refuses is not parsed and leaves no blob', async () => {
  let isParsed = false
  const prepareContent = preparing(async (mail) => {
    isParsed = true
    return parseHere(mail)
  })
  const refused = prepareContent({
    ...streamed(),
    async check() {
      expect(await blobKeys()).toHaveLength(1)
      throw new MailError('forbidden', { detail: 'by policy' })
    },
  })
  await expect(refused).rejects.toMatchObject({ code: 'forbidden' })
  expect(isParsed).toBe(false)
  expect(await blobKeys()).toEqual([])

  const check = async () => ({ checked: 'passed' })
  expect(await prepareContent({ ...streamed(), check })).toMatchObject({ checked: 'passed' })
})

test('a message that cannot be parsed now leaves no blob', async () => {
  const prepareContent = preparing(async () => {
    throw new MailError('parse_queue_full', {})
  })
  await expect(prepareContent(inMemory())).rejects.toMatchObject({ code: 'parse_queue_full' })
  expect(await blobKeys()).toEqual([])
})

test.each([
  ['in memory', inMemory],
  ['from a stream', streamed],
])('a message %s that is a byte too large leaves no blob', async (_name, source) => {
  const content = await preparing()({ ...source(), bytesMax: MAIL.length })
  await content.discard()
  const tooLarge = preparing()({ ...source(), bytesMax: MAIL.length - 1 })
  await expect(tooLarge).rejects.toMatchObject({ code: 'message_too_large' })
  expect(await blobKeys()).toEqual([])
})

test('a blob that cannot be deleted is logged, and the others are deleted', async () => {
  const logged: Record<string, unknown>[] = []
  const log = createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line)) })
  const deleted: string[] = []
  const blobs = {
    async delete(key: string) {
      if (key === 'stuck') throw new Error('the disk failed')
      deleted.push(key)
    },
  }
  await createDiscardBlobs({ store: { blobs }, log })(['first', 'stuck', null, 'last'])
  expect(deleted).toEqual(['first', 'last'])
  expect(logged).toMatchObject([{ blobKey: 'stuck', err: { message: 'the disk failed' } }])
})
