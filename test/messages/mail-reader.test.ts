/** Tests the thread that reads large messages for mail programs: what it reads, and what is said of a message that ends it. */
import { EventEmitter } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createTextSource, type SourcePiece } from '../../src/mail/mailboxes/search/text-source.ts'
import { createMailReader, type ReadMail } from '../../src/mail/messages/content/mail-reader.ts'
import { textsOf } from '../../src/mail/messages/content/message-structure.ts'
import {
  createProgress,
  type ParseBatch,
  type ParseThread,
  PROGRESS,
  parseThreads,
} from '../../src/mail/messages/content/parse-worker.ts'
import { fill } from '../formats/linear.ts'
import { deferred, rejection } from '../store/test-store.ts'
import { canSeePriorities, nicenessAbove, UNHURRIED } from './parse-thread-priority.ts'

const MIB = 1024 * 1024
const TURN = { fairnessKey: 'organization a' }
/** A message whose parts have many fields ends the thread. */
const POISONOUS = {
  parsing: { mimeHeaderBytesMax: MIB, mimeHeaderFieldsMax: 64 * MIB, heapBytesMax: 32 * MIB, keyPauseMs: 0 },
  mailboxes: { sourceBytesMax: 1_000 },
}
/** Longer than what is read of a file at once. */
const poisonHead = `Subject: poison\r\nContent-Transfer-Encoding: base64\r\nContent-Type: multipart/mixed; boundary=b\r\nX: ${fill('x', 100_000)}\r\n\r\n`
const poison = Buffer.from(
  `${poisonHead}${`--b\r\n${fill('a:\r\n', MIB - 100)}\r\n\r\n`.repeat(4)}--b\r\n\r\nthe needle`,
)
const honest = Buffer.from(`Subject: honest\r\n\r\n${fill('a line\r\n', 100_000)}`)

/** @param failures how many threads fail with an error, before one works */
function openReader(overrides: LimitOverrides = {}, { failures = 0 } = {}) {
  const limits = withLimits(UNHURRIED, overrides)
  const started: ParseThread[] = []
  const logged: Record<string, unknown>[] = []
  const reader = createMailReader({
    limits,
    threads: {
      ...parseThreads,
      start(...given) {
        const thread = started.length < failures ? failingThread() : parseThreads.start(...given)
        started.push(thread)
        return thread
      },
    },
    log: createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line)) }),
  })
  onTestFinished(() => reader.stop())
  const stored = new Map<string, Buffer>()
  const contents = {
    async *read(id: string, { start, end } = { start: 0, end: stored.get(id)!.length }) {
      for (let at = start; at < end; at += 65_536) yield stored.get(id)!.subarray(at, Math.min(end, at + 65_536))
    },
  }
  return {
    ...{ limits, logged, reader, started, stored },
    threads: () => started.length,
    texts: createTextSource({ contents, mailReader: reader, limits }),
  }
}

/** A thread that an error ends as soon as it has something to do. */
function failingThread(): ParseThread {
  const progress = createProgress()
  const worker = Object.assign(new EventEmitter(), {
    postMessage({ number }: ParseBatch) {
      Atomics.store(progress, PROGRESS.batch, number)
      setImmediate(() => worker.emit('error', new Error('planted')))
    },
    terminate: async () => 0,
  })
  return { worker: worker as unknown as Worker, progress }
}

function mailOf(raw: Buffer, id = '1', turn = TURN): ReadMail {
  return { ...turn, contentId: id, sizeBytes: raw.length, load: async (end) => Uint8Array.from(raw.subarray(0, end)) }
}

async function joined(texts: AsyncIterable<{ readonly text: string }>): Promise<string> {
  let all = ''
  for await (const { text } of texts) all += text
  return all
}

test('the structure of a message that needs too much memory is one file with the ENVELOPE of its beginning; the next one is read', async () => {
  const { reader, logged, threads } = openReader(POISONOUS)
  const bodyStart = poisonHead.length
  const shown = `"application" "octet-stream" NIL NIL NIL "base64" ${poison.length - bodyStart}`
  expect(await reader.readStructure(mailOf(poison))).toEqual({
    outcome: 'memory',
    structure: {
      envelope: '(NIL "poison" NIL NIL NIL NIL NIL NIL NIL NIL)',
      body: `(${shown})`,
      bodyStructure: `(${shown} NIL NIL NIL NIL)`,
      parts: JSON.stringify({ headerStart: 0, bodyStart, bodyEnd: poison.length }),
    },
  })
  expect(logged).toMatchObject([{ cause: 'memory', task: 'readStructure', contentId: '1', sizeBytes: poison.length }])
  expect(threads()).toBe(2)
  expect(await reader.readStructure(mailOf(honest, '2'))).toMatchObject({
    outcome: 'read',
    structure: { body: expect.stringMatching(/^\("text" "plain"/) },
  })
  expect(threads()).toBe(2)
})

test('if its beginning ends the thread too, it has no ENVELOPE', async () => {
  const { reader, logged } = openReader({}, { failures: 3 })
  const { structure, outcome } = await reader.readStructure(mailOf(honest))
  expect(logged.slice(0, 2)).toMatchObject(Array(2).fill({ cause: 'error', task: 'readStructure' }))
  expect(outcome).toBe('failed')
  expect(structure.envelope).toBe('(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)')
  expect(JSON.parse(structure.parts)).toEqual({ headerStart: 0, bodyStart: expect.any(Number), bodyEnd: honest.length })
})

test('a message that ends the thread by an error is read by the next thread', async () => {
  const { reader, texts, stored, logged, threads } = openReader(
    { mailboxes: { sourceBytesMax: 1_000 } },
    { failures: 1 },
  )
  expect(await reader.readStructure(mailOf(honest))).toMatchObject({ outcome: 'read' })
  expect(logged).toMatchObject([{ cause: 'error', task: 'readStructure' }])
  stored.set('1', honest)
  expect(await joined(texts({ id: '1', sizeBytes: honest.length, turn: TURN }))).toContain('a line')
  expect(threads()).toBe(2)
})

test.each<[string, LimitOverrides, unknown]>([
  ['not tried again for a while', {}, ['failed', 3]],
  ['tried again after that', { mailboxes: { unreadableMs: 0 } }, ['read', 3]],
  ['tried again when others need the memory', { mailboxes: { unreadableBytesMax: 0 } }, ['read', 3]],
])('the structure of a message that has ended two threads is one file, and %s', async (_, overrides, expected) => {
  const { reader, threads } = openReader(overrides, { failures: 2 })
  const asked = [reader.readStructure(mailOf(honest)), reader.readStructure(mailOf(honest))]
  const [first, second] = await Promise.all(asked)
  expect(first).toMatchObject({ outcome: 'failed', structure: { envelope: expect.stringContaining('"honest"') } })
  expect([second!.outcome, threads()]).toEqual(expected)
  expect([(await reader.readStructure(mailOf(honest))).outcome, threads()]).toEqual(expected)
})

test('after a message that has ended the thread, its organization waits; others do not', async () => {
  const { reader } = openReader(mergeLimits(POISONOUS, { parsing: { keyPauseMs: 60_000 } }))
  const b = { fairnessKey: 'organization b' }
  const poisoned = reader.readStructure(mailOf(poison))
  const waiting = reader.readStructure(mailOf(honest, '2'))
  waiting.catch(() => undefined)
  const others = ['3', '4'].map((id) => reader.readStructure(mailOf(honest, id, b)))
  expect(await Promise.all([poisoned, ...others])).toMatchObject([
    { outcome: 'memory' },
    ...Array(2).fill({ outcome: 'read' }),
  ])
  await reader.stop()
  await expect(waiting).rejects.toMatchObject({ code: 'shutting_down' })
})

test('the texts of a large message are those that a small one has', async () => {
  const { texts, stored, limits, threads } = openReader({ mailboxes: { sourceBytesMax: 1_000 } })
  const raw = Buffer.from(
    'Subject: gr=?utf-8?q?=C3=BC?=n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
      `--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${fill('好 line\r\n', 200_000)}\r\n` +
      '--b\r\nContent-Type: text/html\r\n\r\n<p>one <b>bold</b> word\r\n--b--\r\n',
  )
  stored.set('large', raw)
  const pieces: SourcePiece[] = []
  for await (const piece of texts({ id: 'large', sizeBytes: raw.length, turn: TURN })) pieces.push(piece)
  expect(pieces).toEqual([...textsOf(raw, limits)].filter(({ text }) => text !== ''))
  expect(threads()).toBe(1)
})

test('the texts of a message that has ended the thread are its bytes, and it is not tried again for a while', async () => {
  const { texts, stored, threads } = openReader(POISONOUS)
  stored.set('poison', poison)
  const read = () => joined(texts({ id: 'poison', sizeBytes: poison.length, turn: TURN }))
  expect((await read()) === poison.toString()).toBe(true)
  expect((await read()) === poison.toString()).toBe(true)
  expect(threads()).toBe(1)
})

test('the texts of a message that has ended two threads are its bytes for a while', async () => {
  const mailboxes = { sourceBytesMax: 1_000, unreadableMs: 0 }
  const { texts, stored, threads, limits } = openReader({ mailboxes }, { failures: 2 })
  stored.set('1', honest)
  const read = () => joined(texts({ id: '1', sizeBytes: honest.length, turn: TURN }))
  expect([(await read()) === honest.toString(), threads()]).toEqual([true, 2])
  const wanted = [...textsOf(honest, limits)].map(({ text }) => text).join('')
  expect([(await read()) === wanted, threads()]).toEqual([true, 3])
})

test('the bytes of a message that has ended the thread are a header, which BODY does not search, and a body; no character is divided', async () => {
  const { texts, stored } = openReader({ mailboxes: { sourceBytesMax: 1_000 } }, { failures: 2 })
  const [header, body] = ['Subject: grün\r\n\r\n', fill('好', 70_000)]
  const raw = Buffer.from(header + body)
  stored.set('1', raw)
  const pieces: SourcePiece[] = []
  for await (const piece of texts({ id: '1', sizeBytes: raw.length, turn: TURN })) pieces.push(piece)
  expect(pieces.every(({ isFallback }) => isFallback === true)).toBe(true)
  const textOf = (isHeader: boolean) => pieces.map((each) => (each.isHeader === isHeader ? each.text : '')).join('')
  expect(textOf(true)).toBe(header)
  expect(textOf(false) === body).toBe(true)
  expect(pieces.filter(({ isContinued }) => !isContinued)).toHaveLength(2)
})

test.runIf(canSeePriorities)('the thread has a lower priority than the server (Linux)', async () => {
  const { reader, started } = openReader({ parsing: { largeNiceLevels: 1 } })
  await reader.readStructure(mailOf(honest))
  expect(started.map(nicenessAbove)).toEqual([1])
})

test('a reader refuses what waits when it stops, and when too much waits', async () => {
  const { reader } = openReader({ mailboxes: { readsPerOrganizationMax: 1 } })
  const mail = mailOf(Buffer.from(`Subject: a\r\n\r\n${fill('a\r\n', 300_000)}`))
  const [first, second] = [reader.readStructure(mail), reader.readStructure(mail)]
  second.catch(() => undefined)
  await expect(reader.readStructure(mail)).rejects.toMatchObject({ code: 'read_queue_full' })
  await Promise.all([first, reader.stop()])
  await expect(second).rejects.toMatchObject({ code: 'shutting_down' })
})

test.each(['readStructure', 'readTexts'] as const)(
  '%s: who leaves frees its place in the queue at once, and what was loaded for it is not read',
  async (task) => {
    const { reader, logged } = openReader({ mailboxes: { readsPerOrganizationMax: 1 } }, { failures: 1 })
    const [loading, waiting] = [new AbortController(), new AbortController()]
    const [isLoading, mayLoad] = [deferred(), deferred()]
    const first = rejection(
      reader[task]({
        ...mailOf(honest),
        signal: loading.signal,
        async load() {
          isLoading.resolve()
          await mayLoad.promise
          return Uint8Array.from(honest)
        },
      }),
    )
    await isLoading.promise
    const second = rejection(reader[task]({ ...mailOf(honest, '2'), signal: waiting.signal }))
    await expect(reader[task](mailOf(honest, '3'))).rejects.toMatchObject({ code: 'read_queue_full' })
    waiting.abort()
    expect(await second).toMatchObject({ name: 'AbortError' })
    const third = reader[task](mailOf(honest, '3'))
    loading.abort()
    mayLoad.resolve()
    expect(await first).toMatchObject({ name: 'AbortError' })
    expect(await third).toBeDefined()
    expect(logged).toMatchObject([{ contentId: '3' }]) // the first thread fails
  },
)
