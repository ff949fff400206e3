/**
 * Tests the threads that parse messages: the memory that they need, what ends them, what is then stored of the message
 * to blame, and that all others are still parsed.
 */
import { strict as assert } from 'node:assert'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { decompressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createMailParser } from '../../src/mail/messages/content/mail-parser.ts'
import {
  createProgress,
  type ParseBatch,
  type ParseThread,
  type ParseThreads,
  PROGRESS,
  parseThreads,
} from '../../src/mail/messages/content/parse-worker.ts'
import type { ParsedMail } from '../../src/mail/messages/content/parsed-message.ts'
import { createMetrics } from '../../src/metrics.ts'
import { fill } from '../formats/linear.ts'
import { countLoopWork } from '../support/loop-work.ts'
import { canSeePriorities, nicenessAbove, UNHURRIED } from './parse-thread-priority.ts'

const MEGABYTE = 1_000_000
const MIB = 1024 * 1024

function openParser(limits: LimitOverrides = {}, threads: ParseThreads = parseThreads) {
  const logged: Record<string, unknown>[] = []
  const log = createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line)) })
  const mailParser = createMailParser({
    limits: withLimits(UNHURRIED, limits),
    threads,
    log,
    metrics: createMetrics(),
  })
  onTestFinished(() => mailParser.stop())
  return {
    logged,
    stop: () => mailParser.stop(),
    expectMail: () => mailParser.expectMail(),
    readEvidence: (mail: string, fairnessKey = 'a') => {
      const bytes = Buffer.from(mail)
      const load = async () => ({ bytes, isOwned: false })
      return mailParser.readEvidence({ fairnessKey, sizeBytes: bytes.length, file: undefined, load })
    },
    /** @param own what this server has put before the message */
    parse: async (mail: string | Buffer, fairnessKey = 'a', own = '') => {
      const bytes = Buffer.concat([Buffer.from(own), Buffer.from(mail)])
      const load = async () => ({ bytes, isOwned: false })
      const chunks = () => inChunks(bytes)
      const input = { file: undefined, load, chunks }
      const { length: sizeBytes } = bytes
      return shown(await mailParser.parse({ fairnessKey, sizeBytes, ownBytes: own.length, findsCodes: true, ...input }))
    },
    /** Parses a message in a file, which this thread may read in chunks only. */
    parseFile: async (file: string, mail: string, chunks = () => inChunks(Buffer.from(mail))) => {
      const input = { file, load: () => assert.fail('loaded'), chunks }
      const sizeBytes = mail.length
      return shown(await mailParser.parse({ fairnessKey: 'a', sizeBytes, ownBytes: 0, findsCodes: true, ...input }))
    },
  }
}

async function* inChunks(bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}

function shown(parsed: ParsedMail) {
  const { headers, isTruncated = false } = decompressBodies(parsed.compressedBodies.bytes)
  return { ...parsed, headers, truncated: isTruncated }
}

/** Calls back for each thread that is started in this test. */
function countThreads(): { readonly started: Worker[] } {
  const started: Worker[] = []
  const add = (worker: Worker) => void started.push(worker)
  process.on('worker', add)
  onTestFinished(() => void process.off('worker', add))
  return { started }
}

/** Threads that say how many messages each of their batches had, in the order in which they were started. */
function countBatches() {
  const started: ParseThread[] = []
  const exited = new Set<ParseThread>()
  const batchSizes: number[][] = []
  const threads: ParseThreads = {
    ...parseThreads,
    start(...args) {
      const thread = parseThreads.start(...args)
      const sizes: number[] = []
      const { postMessage } = thread.worker
      thread.worker.postMessage = (batch: ParseBatch, ...rest) => {
        sizes.push(batch.tasks.length)
        postMessage.call(thread.worker, batch, ...(rest as []))
      }
      thread.worker.once('exit', () => exited.add(thread))
      started.push(thread)
      batchSizes.push(sizes)
      return thread
    },
  }
  return {
    threads,
    started,
    exited,
    batchSizes,
    hasStarted: (index: number) =>
      expect.poll(() => Atomics.load(started[index]!.progress, PROGRESS.isReady), { timeout: 20_000 }).toBe(1),
  }
}

const honest = (subject: string) => `Subject: ${subject}\r\n\r\n${fill('A line of a long report.\r\n', MEGABYTE)}`
const body = (fields: string, piece: string, size: number) => `${fields}\r\n\r\n${fill(piece, size)}`

/** Characters of these bodies: more than is parsed of one. */
const SIZE = 4.5 * MEGABYTE
const chinese = 'Content-Type: text/plain; charset=utf-8\r\n\r\n好' // then every character takes two bytes

const GREEDY: Readonly<Record<string, () => string>> = {
  'text in one-byte pieces of base64': () => body('Content-Transfer-Encoding: base64', 'YQ==\r\n', SIZE),
  'an attachment in one-byte pieces of base64': () =>
    body('Content-Type: image/png\r\nContent-Transfer-Encoding: base64', 'YQ==\r\n', SIZE),
  'text in soft breaks': () => body('Content-Transfer-Encoding: quoted-printable', 'a=\r\n', SIZE),
  'short lines': () => body('X: y', 'a\r\n', SIZE),
  NULs: () => body('X: y', 'a\0', SIZE),
  'flowed line breaks': () => body('Content-Type: text/plain; format=flowed', '\r\n', SIZE),
  'control characters behind Chinese': () => `${chinese}${fill('\x01', SIZE)}`,
  'short lines behind Chinese': () => `${chinese}${fill('a\r\n', SIZE)}`,
  'text and HTML': () =>
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${chinese}${fill('\x01', SIZE)}\r\n` +
    `--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n好${fill('\x01', SIZE)}\r\n--b--`,
  'UTF-7': () => body('Content-Type: text/plain; charset=utf-7', '+-', SIZE),
  'CESU-8': () => body('Content-Type: text/plain; charset=cesu-8', 'a', SIZE),
  'UTF-7 of IMAP': () => body('Content-Type: text/plain; charset=utf-7-imap', '&-', SIZE),
  'header fields': () => fill('a:\r\n', SIZE),
  'parts with header fields': () =>
    body('Content-Type: multipart/mixed; boundary=b', `--b\r\n${fill('a:\n', 40_000)}\r\nx\r\n`, SIZE),
  HTML: () => body('Content-Type: text/html', '<p>&amp;', SIZE),
}

test('no body needs more than 64 MiB of heap, however it is encoded', { timeout: 60_000 }, async () => {
  const { logged, parse } = openParser({ parsing: { heapBytesMax: 64 * MIB } })
  for (const [label, make] of Object.entries(GREEDY)) {
    await parse(make())
    expect(logged, label).toEqual([])
  }
})

/** Needs a hundred bytes of heap per field, if no other limit prevents that. */
const manyFields = () => fill('a:\r\n', 4 * MEGABYTE)
const unbounded = { parsing: { mimeHeaderBytesMax: 64 * MIB, mimeHeaderFieldsMax: 64 * MIB } }

test('of a message that needs more heap than allowed, the header fields are stored; the next one is parsed', async () => {
  const { logged, parse } = openParser(mergeLimits(unbounded, { parsing: { heapBytesMax: 32 * MIB } }))
  const header = [
    'From: Ann Example <ann@example.test>',
    'To: bob@example.test, Cleo <cleo@example.test>',
    'Subject: hostile',
    'Message-ID: <1@example.test>',
    'References: <a@example.test> <b@example.test>',
    'Date: Sat, 21 Nov 2026 10:00:00 +0000',
  ]
  expect(await parse(`${header.join('\r\n')}\r\n${manyFields()}`)).toMatchObject({
    ...{ subject: 'hostile', messageId: '<1@example.test>', references: ['<a@example.test>', '<b@example.test>'] },
    ...{ from: [{ address: 'ann@example.test' }], date: new Date('2026-11-21T10:00:00Z') },
    to: [{ address: 'bob@example.test' }, { address: 'cleo@example.test' }],
    ...{ truncated: true, attachments: [] },
  })
  expect(logged).toMatchObject([{ msg: 'only the header of a message was read', cause: 'memory', fairnessKey: 'a' }])
  expect(await parse(honest('honest'), 'b')).toMatchObject({ subject: 'honest', truncated: false })
  expect(logged).toHaveLength(1)
})

test('if the signatures of a message need more heap than allowed, they are not read; those of the next one are', async () => {
  const { logged, readEvidence } = openParser(mergeLimits(unbounded, { parsing: { heapBytesMax: 32 * MIB } }))
  expect(await readEvidence(manyFields())).toBeUndefined()
  expect(logged).toMatchObject([{ msg: 'the signatures of a message were not read', cause: 'memory' }])
  const evidence = await readEvidence('From: ann@example.test\r\n\r\nhello', 'b')
  expect(evidence).toMatchObject({ from: [{ address: 'ann@example.test' }], fromFieldCount: 1, signatures: [] })
})

test('of a message that takes too long, only the header fields are read', async () => {
  const { logged, parse } = openParser({ parsing: { timeoutMs: 0 } })
  expect(await parse(`X: ${fill('a', MEGABYTE)}\r\n${honest('slow')}`)).toMatchObject({ truncated: true })
  expect(logged).toMatchObject([{ msg: 'only the header of a message was read', cause: 'time' }])
})

test('of a header without an end, a limited part is read', async () => {
  const { parse } = openParser({ parsing: { timeoutMs: 0 } })
  const { headers, truncated } = await parse(manyFields(), 'a', 'Received: by us\r\n')
  expect([headers.length, headers[0], truncated]).toEqual([1000, ['Received', 'by us'], true])
})

test('a message of which only the header was read is recognised when it is sent again', async () => {
  const { parse } = openParser({ parsing: { timeoutMs: 0 } })
  const [one, two, again] = await Promise.all([
    parse(`${honest('same')}one`, 'a', 'Received: by us at one\r\n'),
    parse(`${honest('same')}two`, 'b', 'Received: by us at one\r\n'),
    parse(`Received: by a relay\r\n${honest('same')}one`, 'c', 'Received: by us at one minute past one\r\n'),
  ])
  expect([one, two, again].map(({ truncated }) => truncated)).toEqual([true, true, true])
  expect(one.fingerprint).toBe(again.fingerprint)
  expect(one.fingerprint).not.toBe(two.fingerprint)
})

test('if the header of a message cannot be read either, its file is closed', async () => {
  const mail = honest('broken')
  let isOpen = true
  async function* chunks() {
    try {
      yield undefined as never
    } finally {
      isOpen = false
    }
  }
  const { parseFile } = openParser({ parsing: { timeoutMs: 0 } })
  await expect(parseFile(writeTemporary(mail), mail, chunks)).rejects.toThrow(TypeError)
  expect(isOpen).toBe(false)
})

// 50 MiB were loaded by the event loop, which then collected garbage for up to 10 ms, several times per message.
test('a large message in a file is read by the thread; if only its header is read, in chunks', async () => {
  const mail = honest('in a file')
  const file = writeTemporary(mail)
  const { parse, parseFile } = openParser()
  expect(await parseFile(file, mail)).toEqual(await parse(mail))
  const { parse: parseHeader, parseFile: parseHeaderOfFile } = openParser({ parsing: { timeoutMs: 0, keyPauseMs: 0 } })
  const header = await parseHeaderOfFile(file, mail)
  expect(header).toMatchObject({ subject: 'in a file', truncated: true })
  expect(header).toEqual(await parseHeader(mail))
})

// Its header, fingerprint and hash at once would take the event loop 30 to 60 ms.
test('of a message of 50 MB that takes too long, the event loop reads a few chunks per turn', async () => {
  const mail = `Subject: huge\r\n\r\n${fill('A line of a long report.\r\n', 50 * MEGABYTE)}`
  const file = writeTemporary(mail)
  const { parseFile } = openParser({ parsing: { timeoutMs: 0 } })
  const work = countLoopWork()
  onTestFinished(() => work.stop())
  const parsed = await parseFile(file, mail, () => createReadStream(file)) // as a blob is read
  expect(parsed).toMatchObject({ subject: 'huge', truncated: true })
  expect(work.longest()).toBeLessThan(1_000)
})

test('if the file of a message cannot be read, the message is refused for now, and the thread continues', async () => {
  const { started } = countThreads()
  const { logged, parse, parseFile } = openParser()
  const mail = honest('missing')
  await expect(parseFile(`${writeTemporary(mail)}.missing`, mail)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await parse(honest('next'))).toMatchObject({ subject: 'next', truncated: false })
  expect([started.length, logged]).toEqual([1, []])
})

// The 10 s of a message included this time: while the disk stood still, only the header of each large message was stored.
test('the time of a message begins when its file is read; if that takes too long, it is refused for now, and its sender does not pause', async () => {
  const { started } = countThreads()
  const { logged, parse, parseFile } = openParser()
  const mail = honest('slow disk')
  await parse(mail)
  const pipe = `${writeTemporary('')}.pipe`
  execFileSync('mkfifo', [pipe])
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())

  const slow = parseFile(pipe, mail)
  await using slowDisk = await open(pipe, 'w') // waits for the thread, which then waits for bytes
  vi.advanceTimersByTime(20_000)
  await slowDisk.writeFile(mail)
  await slowDisk.close()
  expect(await slow).toMatchObject({ subject: 'slow disk', truncated: false })

  const refused = expect(parseFile(pipe, mail)).rejects.toMatchObject({ code: 'unavailable' })
  await using _stuckDisk = await open(pipe, 'w')
  vi.advanceTimersByTime(40_000)
  await refused
  expect(await parse(honest('next'))).toMatchObject({ subject: 'next', truncated: false })
  expect([started.length, logged]).toEqual([2, []])
})

/** The thread of these tests, as JavaScript: it has a message until its gate opens. */
const PLANTED = `
  const { readlinkSync } = require('node:fs')
  const { parentPort, workerData } = require('node:worker_threads')
  const { progress, PROGRESS, gate, doing } = workerData
  if (doing !== 'wait uncounted')
    Atomics.store(progress, PROGRESS.threadId, Number(readlinkSync('/proc/thread-self').split('/').pop()))
  parentPort.on('message', ({ number }) => {
    Atomics.store(progress, PROGRESS.parsedCount, 0)
    Atomics.store(progress, PROGRESS.batch, number)
    if (doing === 'compute') while (Atomics.load(gate, 0) === 0);
    else Atomics.wait(gate, 0, 0)
    parentPort.postMessage({ json: '[{"signatures":[]}]', bytes: new Uint8Array(), sizes: [0, 0, 0] })
  })`

/**
 * Threads whose message waits, without using CPU time, or computes, until its gate opens. `wait uncounted`: and the system does not say how
 * much CPU time the thread has used.
 */
function plantThreads(doing: 'wait' | 'wait uncounted' | 'compute') {
  const gate = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const started: ParseThread[] = []
  const threads: ParseThreads = {
    start() {
      const progress = createProgress()
      const worker = new Worker(PLANTED, { eval: true, workerData: { progress, PROGRESS, gate, doing } })
      started.push({ worker, progress })
      return { worker, progress }
    },
    end: ({ worker }) => worker.terminate(),
  }
  return {
    threads,
    openGate() {
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
    },
    closeGate: () => void Atomics.store(gate, 0, 0),
    /** Resolves when a thread has the message with this number. */
    hasMessage: (number: number) =>
      expect.poll(() => started.some(({ progress }) => Atomics.load(progress, PROGRESS.batch) === number)).toBe(true),
  }
}

/** Stops the clock, except for what a test advances. */
function stopClock(...more: ('setTimeout' | 'clearTimeout')[]): void {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval', ...more] })
  onTestFinished(() => void vi.useRealTimers())
}

const isLinux = process.platform === 'linux'

// The limit was one of the clock: on a busy machine, only the header of an honest message was stored.
test.runIf(isLinux)(
  'a thread that waits for a core does not use up the time of its message; if it waits too long, the message is refused for now (Linux)',
  async () => {
    const { threads, openGate, closeGate, hasMessage } = plantThreads('wait')
    const { logged, readEvidence } = openParser({}, threads)
    stopClock()
    const waiting = readEvidence(honest('waits'))
    await hasMessage(1)
    vi.advanceTimersByTime(100_000)
    openGate()
    expect(await waiting).toEqual({ signatures: [] })

    closeGate()
    const refused = expect(readEvidence(honest('stalled'))).rejects.toMatchObject({
      code: 'unavailable',
      cause: { reason: 'stalled' },
    })
    await hasMessage(2)
    vi.advanceTimersByTime(130_000)
    await refused
    expect(logged).toEqual([])
  },
)

test.runIf(isLinux)(
  'a thread that computes uses up the time of its message, whatever the clock says (Linux)',
  async () => {
    const { threads } = plantThreads('compute')
    const { logged, readEvidence } = openParser({ parsing: { timeoutMs: 50 } }, threads)
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    expect(await readEvidence(honest('slow'))).toBeUndefined()
    expect(logged).toMatchObject([{ cause: 'time' }])
  },
)

test('where the system does not count the CPU time of a thread, the clock counts', async () => {
  const { threads, hasMessage } = plantThreads('wait uncounted')
  const { logged, readEvidence } = openParser({}, threads)
  stopClock()
  const slow = readEvidence(honest('slow'))
  await hasMessage(1)
  vi.advanceTimersByTime(13_000)
  expect(await slow).toBeUndefined()
  expect(logged).toMatchObject([{ cause: 'time' }])
})

test('a stop waits for a thread that has a message for as long as a message may compute; then the message is refused', async () => {
  const { threads, hasMessage } = plantThreads('wait uncounted')
  const { logged, readEvidence, stop } = openParser({}, threads)
  stopClock('setTimeout', 'clearTimeout')
  const refused = expect(readEvidence(honest('waits'))).rejects.toMatchObject({ code: 'shutting_down' })
  await hasMessage(1)
  const stopped = stop()
  vi.advanceTimersByTime(10_000)
  await stopped
  await refused
  expect(logged).toEqual([])
})

test.runIf(canSeePriorities)(
  'the thread of large messages has a lower priority than that of small ones (Linux)',
  async () => {
    const started: ParseThread[] = []
    const { parse } = openParser(
      { parsing: { largeNiceLevels: 1 } },
      {
        ...parseThreads,
        start(...given) {
          const thread = parseThreads.start(...given)
          started.push(thread)
          return thread
        },
      },
    )
    await parse('Subject: small\r\n\r\n')
    await parse(honest('large'))
    expect(started.map(nicenessAbove)).toEqual([0, 1])
  },
)

function writeTemporary(mail: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-mail-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'mail')
  writeFileSync(file, mail)
  return file
}

test('a sender whose message could only be read in part waits; others do not', async () => {
  const { parse } = openParser(mergeLimits(unbounded, { parsing: { heapBytesMax: 32 * MIB, waitMs: 500 } }))
  await parse(manyFields(), 'hostile')
  const second = parse(honest('second'), 'hostile')
  second.catch(() => undefined)
  expect(await parse(honest('other'), 'honest')).toMatchObject({ truncated: false })
  await expect(second).rejects.toMatchObject({ code: 'parse_queue_full' })
})

describe('small messages', () => {
  const small = (subject: string) => `Subject: ${subject}\r\n\r\nhello`
  /** With these limits, manyFields() is a small message that ends its thread. */
  const poisonous = mergeLimits(unbounded, {
    parsing: {
      ...{ heapBytesMax: 32 * MIB, smallBytesMax: 8 * MIB, batchBytesMax: 8 * MIB },
      ...{ keyPauseMs: 0, smallTimeoutMs: 30_000, timeoutMs: 30_000 },
    },
  })

  const subjects = Array.from({ length: 40 }, (_, index) => `${index}`)
  /** Parses these messages, which arrive at once, and checks that each call got its own. */
  async function parseAll({ parse }: Pick<ReturnType<typeof openParser>, 'parse'>): Promise<void> {
    const parsed = await Promise.all(subjects.map((subject) => parse(small(subject))))
    expect(parsed.map(({ subject }) => subject)).toEqual(subjects)
  }

  test.each([
    ['they are few', { dividedMin: 41, batchMax: 40 }],
    ['only one thread is allowed', { smallThreadsMax: 1, batchMax: 40 }],
  ])('that wait are parsed in one batch in one thread if %s', async (_, parsing) => {
    const { threads, batchSizes } = countBatches()
    await parseAll(openParser({ parsing }, threads))
    expect(batchSizes).toEqual([[40]])
  })

  test('are divided among two threads if many wait, once the second thread has started', async () => {
    const { threads, batchSizes, hasStarted } = countBatches()
    const parser = openParser({ parsing: { dividedMin: 40, batchMax: 40 } }, threads)
    parser.expectMail()
    await parseAll(parser)
    expect(batchSizes).toEqual([[40], []])
    await hasStarted(1)
    await parseAll(parser)
    expect(batchSizes).toEqual([[40, 20], [20]])
    await parser.parse(small('one'))
    expect(batchSizes).toEqual([[40, 20, 1], [20]])
  })

  test('of the other thread are parsed in it, although one ends its own thread', async () => {
    const { threads, batchSizes, hasStarted } = countBatches()
    const { logged, expectMail, parse } = openParser(mergeLimits(poisonous, { parsing: { dividedMin: 4 } }), threads)
    expectMail()
    const four = ['1', '2', '3', '4']
    await Promise.all(four.map((subject) => parse(small(subject))))
    await hasStarted(1)
    const poison = parse(manyFields(), 'b')
    const others = await Promise.all(four.slice(1).map((subject) => parse(small(subject))))
    expect(others.map(({ subject }) => subject)).toEqual(['2', '3', '4'])
    expect(await poison).toMatchObject({ truncated: true })
    expect(batchSizes[1]![0]).toBe(2)
    expect(logged[0]).toMatchObject({ msg: 'a small message ended the parse thread', fairnessKey: 'b' })
  })

  test('are parsed by one thread if the system has no more', async () => {
    const { threads, started } = countBatches()
    const start: ParseThreads['start'] = (...args) => {
      if (started.length > 0) throw new Error('no more threads')
      return threads.start(...args)
    }
    const parser = openParser({ parsing: { dividedMin: 4 } }, { ...threads, start })
    parser.expectMail()
    await parseAll(parser)
    await parseAll(parser)
    expect(started).toHaveLength(1)
  })

  test('leave no thread behind when all have been idle', async () => {
    const { threads, started, exited } = countBatches()
    await parseAll(openParser({ parsing: { dividedMin: 40, idleMs: 200 } }, threads))
    await expect.poll(() => exited.size, { timeout: 20_000 }).toBe(2)
    expect(started).toHaveLength(2)
  })

  test('are parsed, although one of their batch ends the thread; that one is tried alone, and then only its header is read', async () => {
    const { started } = countThreads()
    const { logged, parse } = openParser(poisonous)
    const poison = `Subject: hostile\r\n${manyFields()}`
    const [first, hostile, last] = await Promise.all([
      parse(small('first'), 'a'),
      parse(poison, 'b'),
      parse(small('last'), 'c'),
    ])
    expect([first.truncated, hostile.truncated, last.truncated]).toEqual([false, true, false])
    expect([first.subject, hostile.subject, last.subject]).toEqual(['first', 'hostile', 'last'])
    expect(logged).toMatchObject([
      { msg: 'a small message ended the parse thread', cause: 'memory', fairnessKey: 'b' },
      { msg: 'only the header of a message was read', cause: 'memory', fairnessKey: 'b' },
    ])
    expect(started).toHaveLength(3) // for small messages two, for large ones one
  })

  test('that take too long in a batch are parsed alone, with more time', async () => {
    const slow = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${fill('--ba\r\n', 4 * MEGABYTE)}`
    const { logged, parse } = openParser({
      parsing: { smallBytesMax: 8 * MIB, smallTimeoutMs: 100, timeoutMs: 60_000 },
    })
    const [{ truncated }, other] = await Promise.all([parse(slow, 'a'), parse(small('other'), 'b')])
    const line = { msg: 'a small message ended the parse thread', cause: 'time', fairnessKey: 'a' }
    expect(logged[0]).toMatchObject(line)
    expect([truncated, other.subject]).toEqual([false, 'other'])
  })

  test('of a sender who has ended a thread end no more batches for a while', async () => {
    const { logged, parse } = openParser(mergeLimits(poisonous, { parsing: { keyPauseMs: 60_000, waitMs: 200 } }))
    await parse(manyFields(), 'hostile')
    const second = parse(manyFields(), 'hostile') // waits like a large message
    second.catch(() => undefined)
    expect(await parse(small('honest'), 'honest')).toMatchObject({ subject: 'honest' })
    await expect(second).rejects.toMatchObject({ code: 'parse_queue_full' })
    expect(logged).toHaveLength(2)
  })

  test('are refused if too many wait', async () => {
    const { parse } = openParser({ parsing: { smallWaitingMax: 2 } })
    const accepted = [parse(small('one')), parse(small('two'))]
    await expect(parse(small('three'))).rejects.toMatchObject({ code: 'parse_queue_full' })
    await Promise.all(accepted)
  })
})

test('while no thread can start, messages are refused, and none is parsed on the event loop', async () => {
  const { logged, parse } = openParser({ parsing: { threadStartMs: 0, smallTimeoutMs: 4, timeoutMs: 4 } })
  await expect(parse('Subject: small\r\n\r\n')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(parse(honest('large'))).rejects.toMatchObject({ code: 'unavailable' })
  expect(logged).toEqual([])
})

test('the thread starts while the first message arrives, and ends if it does not', async () => {
  const { started } = countThreads()
  const { expectMail, parse } = openParser({ parsing: { idleMs: 100 } })
  expectMail()
  expectMail()
  await parse('Subject: one\r\n\r\n')
  expect(started).toHaveLength(1)
  await once(started[0]!, 'exit')
  expectMail()
  await expect.poll(() => started).toHaveLength(2)
  await once(started[1]!, 'exit')
})

test('an idle thread ends, and the next message gets a new one', async () => {
  const { started } = countThreads()
  const { parse } = openParser({ parsing: { idleMs: 0 } })
  for (const subject of ['one', 'two']) {
    expect(await parse(`Subject: ${subject}\r\n\r\n`)).toMatchObject({ subject })
    await once(started.at(-1)!, 'exit')
  }
  expect(started).toHaveLength(2)
})

test('a message that arrives while an idle thread is ending is parsed by a new one', async () => {
  const { started } = countThreads()
  const { logged, parse } = openParser({ parsing: { idleMs: 1 } })
  await parse('Subject: one\r\n\r\n')
  const [first] = started
  const ending = new Promise<void>((resolve) => {
    const { terminate } = first!
    first!.terminate = () => {
      resolve()
      return terminate.call(first)
    }
  })
  await ending
  expect(await parse('Subject: two\r\n\r\n')).toMatchObject({ subject: 'two', truncated: false })
  expect(logged).toEqual([])
  expect(started).toHaveLength(2)
})

test('a stop finishes what is being parsed, and refuses what waits', async () => {
  const { parse, stop } = openParser({ parsing: { batchMax: 1 } })
  await parse(honest('the thread runs'))
  const large = [parse(honest('large'), 'a'), parse(honest('waits'), 'a')]
  const small = [parse('Subject: small\r\n\r\n'), parse('Subject: waits\r\n\r\n')]
  const settled = Promise.allSettled([...small, ...large])
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  await stop()
  const shown = (await settled).map((each) => (each.status === 'fulfilled' ? each.value.subject : each.reason.code))
  expect(shown).toEqual(['small', 'shutting_down', 'large', 'shutting_down'])
})

test('bodies are stored unchanged, whatever they contain', async () => {
  const { parse } = openParser()
  // Surrogate pairs and escapes at every position of a piece's border.
  const text = `${fill('x😀"\\\u0001é\n', 300_000)}end`
  const { compressedBodies } = await parse(`Content-Type: text/plain; charset=utf-8\r\n\r\n${text}`)
  expect(decompressBodies(compressedBodies.bytes)).toMatchObject({
    text,
    headers: [['Content-Type', 'text/plain; charset=utf-8']],
  })
})

test('the beginning of a long body is stored, in whole characters', async () => {
  const { parse } = openParser({ parsing: { bodyBytesMax: 1_000 } })
  const attachment = '--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nwhole\r\n--b--'
  const parts = (text: string) =>
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n${attachment}`
  const long = await parse(parts(`${'x'.repeat(998)}${'好'.repeat(50)}`))
  expect(decompressBodies(long.compressedBodies.bytes).text).toBe('x'.repeat(998))
  expect(long).toMatchObject({ truncated: true, attachments: [{ filename: 'a.txt', size: 5 }] })
  const short = await parse(parts('好'.repeat(333)))
  expect(decompressBodies(short.compressedBodies.bytes).text).toBe('好'.repeat(333))
  expect(short.truncated).toBe(false)
})
