/**
 * Tests the worker thread for large messages: the memory it needs, what ends it, and that the next message is still
 * parsed.
 */
import { expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, mergeLimits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { decompressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createMailParser } from '../../src/mail/messages/content/parse-worker.ts'
import { createMetrics } from '../../src/metrics.ts'
import { fill } from '../formats/linear.ts'

const MEGABYTE = 1_000_000
const MIB = 1024 * 1024

function openParser(limits: LimitOverrides = {}) {
  const logged: Record<string, unknown>[] = []
  const log = createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line)) })
  const mailParser = createMailParser({ limits: withLimits(limits), log, metrics: createMetrics() })
  onTestFinished(() => mailParser.stop())
  return {
    logged,
    parse: async (mail: string | Buffer, fairnessKey = 'a') => {
      const raw = Buffer.from(mail)
      const parsed = await mailParser.parse({ fairnessKey, sizeBytes: raw.length, load: async () => raw })
      return { ...parsed, truncated: decompressBodies(parsed.compressedBodies.bytes).isTruncated ?? false }
    },
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

test('a message that needs more heap than allowed ends the thread, not the process, and the next one is parsed', async () => {
  const { logged, parse } = openParser(mergeLimits(unbounded, { parsing: { heapBytesMax: 32 * MIB } }))
  const hostile = await parse(`Subject: hostile\r\n${manyFields()}`)
  expect(hostile).toMatchObject({ subject: 'hostile', truncated: true })
  expect(logged).toMatchObject([
    { msg: 'only the beginning of a message was parsed', cause: 'memory', fairnessKey: 'a' },
  ])
  expect(await parse(honest('honest'), 'b')).toMatchObject({ subject: 'honest', truncated: false })
  expect(logged).toHaveLength(1)
})

test('only the beginning of a message that takes too long is parsed', async () => {
  const { logged, parse } = openParser({ parsing: { timeoutMs: 0 } })
  expect(await parse(honest('slow'))).toMatchObject({ subject: 'slow', truncated: true })
  expect(logged).toMatchObject([{ msg: 'only the beginning of a message was parsed', cause: 'time' }])
})

test('messages that were parsed in part are compared by all of their bytes', async () => {
  const { parse } = openParser({ parsing: { timeoutMs: 0 } })
  const [one, two, again] = await Promise.all([
    parse(`${honest('same')}one`, 'a'),
    parse(`${honest('same')}two`, 'b'),
    parse(`${honest('same')}one`, 'c'),
  ])
  expect(one.fingerprint).toBe(again.fingerprint)
  expect(one.fingerprint).not.toBe(two.fingerprint)
})

test('a fairnessKey whose message was parsed in part waits; others do not', async () => {
  const { parse } = openParser(mergeLimits(unbounded, { parsing: { heapBytesMax: 32 * MIB, waitMs: 500 } }))
  await parse(manyFields(), 'hostile')
  const second = parse(honest('second'), 'hostile')
  second.catch(() => undefined)
  expect(await parse(honest('other'), 'honest')).toMatchObject({ truncated: false })
  await expect(second).rejects.toMatchObject({ code: 'parse_queue_full' })
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
