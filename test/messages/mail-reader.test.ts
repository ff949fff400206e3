/** Tests the thread that reads large messages for mail programs: what it reads, and what is said of a message that ends it. */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createTextSource } from '../../src/mail/mailboxes/search/text-source.ts'
import { createMailReader, type ReadMail } from '../../src/mail/messages/content/mail-reader.ts'
import { textsOf } from '../../src/mail/messages/content/message-structure.ts'
import { parseThreads } from '../../src/mail/messages/content/parse-worker.ts'
import { fill } from '../formats/linear.ts'

const MIB = 1024 * 1024
const TURN = { fairnessKey: 'organization a' }
/** A message of many fields ends the thread. */
const POISONOUS = {
  parsing: { mimeHeaderBytesMax: 64 * MIB, mimeHeaderFieldsMax: 64 * MIB, heapBytesMax: 32 * MIB },
  mailboxes: { sourceBytesMax: 1_000 },
}
const poison = Buffer.from(`Subject: poison\r\n${fill('a:\r\n', 4 * MIB)}\r\nthe needle`)

function openReader(overrides: LimitOverrides = {}) {
  const limits = withLimits(overrides)
  let started = 0
  const logged: Record<string, unknown>[] = []
  const reader = createMailReader({
    limits,
    threads: {
      ...parseThreads,
      start(given) {
        started += 1
        return parseThreads.start(given)
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
    ...{ limits, logged, reader, stored },
    threads: () => started,
    texts: createTextSource({ contents, mailReader: reader, limits }),
  }
}

function mailOf(raw: Buffer, id = '1'): ReadMail {
  return { ...TURN, contentId: id, sizeBytes: raw.length, load: async (end) => Uint8Array.from(raw.subarray(0, end)) }
}

async function joined(texts: AsyncIterable<{ readonly text: string }>): Promise<string> {
  let all = ''
  for await (const { text } of texts) all += text
  return all
}

test('the structure of a message that ends the thread is one file with the ENVELOPE of its beginning; the next one is read', async () => {
  const { reader, logged, threads } = openReader(POISONOUS)
  const bodyStart = 64 * 1024
  expect(await reader.readStructure(mailOf(poison))).toEqual({
    envelope: '(NIL "poison" NIL NIL NIL NIL NIL NIL NIL NIL)',
    body: `("application" "octet-stream" NIL NIL NIL "8bit" ${poison.length - bodyStart})`,
    bodyStructure: `("application" "octet-stream" NIL NIL NIL "8bit" ${poison.length - bodyStart} NIL NIL NIL NIL)`,
    parts: JSON.stringify({ headerStart: 0, bodyStart, bodyEnd: poison.length }),
  })
  expect(logged).toMatchObject([{ cause: 'memory', task: 'readStructure', contentId: '1', sizeBytes: poison.length }])
  expect(threads()).toBe(2)
  const honest = Buffer.from(`Subject: honest\r\n\r\n${fill('a line\r\n', 100_000)}`)
  expect(await reader.readStructure(mailOf(honest))).toMatchObject({ body: expect.stringMatching(/^\("text" "plain"/) })
  expect(threads()).toBe(2)
})

test('if its beginning ends the thread too, it has no ENVELOPE', async () => {
  const { reader, logged } = openReader(mergeLimits(POISONOUS, { parsing: { timeoutMs: 4 } }))
  const slow = Buffer.from(`Subject: ${fill('=?utf-8?q?=41?= ', 4 * MIB)}\r\n\r\n`)
  const { envelope, parts } = await reader.readStructure(mailOf(slow))
  expect(logged[0]).toMatchObject({ cause: 'time', task: 'readStructure' })
  expect(envelope).toMatch(/^\(NIL (?:NIL|"=.*"|\{\d+\}\r\n=.*)(?: NIL){8}\)$/)
  expect(JSON.parse(parts)).toEqual({ headerStart: 0, bodyStart: 64 * 1024, bodyEnd: slow.length })
})

test('the texts of a large message are those that a small one has', async () => {
  const { texts, stored, limits, threads } = openReader({ mailboxes: { sourceBytesMax: 1_000 } })
  const raw = Buffer.from(
    'Subject: gr=?utf-8?q?=C3=BC?=n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
      `--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${fill('好 line\r\n', 200_000)}\r\n` +
      '--b\r\nContent-Type: text/html\r\n\r\n<p>one <b>bold</b> word\r\n--b--\r\n',
  )
  stored.set('large', raw)
  const pieces = []
  for await (const piece of texts({ id: 'large', sizeBytes: raw.length, turn: TURN })) pieces.push(piece)
  expect(pieces).toEqual([...textsOf(raw, limits)].filter(({ text }) => text !== ''))
  expect(threads()).toBe(1)
})

test('the texts of a message that has ended the thread are its bytes, and it is not tried again', async () => {
  const { texts, stored, threads } = openReader(POISONOUS)
  stored.set('poison', poison)
  const read = () => joined(texts({ id: 'poison', sizeBytes: poison.length, turn: TURN }))
  expect((await read()) === poison.toString()).toBe(true)
  expect((await read()) === poison.toString()).toBe(true)
  expect(threads()).toBe(1)
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
