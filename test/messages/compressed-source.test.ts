/** Tests that the stored bytes of a message are small, and are read back unchanged. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { contentRows, contentSteps, inMemory } from '../../src/mail/messages/content/insert-content.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { openTestStore } from '../store/test-store.ts'

const words = Array.from({ length: 400 }, (_, index) => `word${(index * 7919) % 1_009}`).join(' ')
const head = 'From: Ann <ann@example.test>\r\nSubject: words\r\nMIME-Version: 1.0\r\n'

test.each<[string, Buffer, number]>([
  ['text', Buffer.from(`${head}\r\n${words}`), 0.2],
  [
    'quoted-printable',
    Buffer.from(`${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${words.replaceAll('d', '=64')}`),
    1,
  ],
  ['more text than a dictionary holds', Buffer.from(`${head}\r\n${randomBytes(20_000).toString('base64')}`), 1],
  [
    'a small attachment',
    Buffer.from(`${head}Content-Type: application/x\r\n\r\n${randomBytes(9_000).toString('hex')}`),
    1,
  ],
  ['a large message', Buffer.from(`${head}\r\n${randomBytes(60_000).toString('base64')}`), 1.01],
  ['noise', randomBytes(3_000), 1.01],
  ['no byte', Buffer.alloc(0), 1],
])('%s', async (_what, raw, shareMax) => {
  await using store = await openTestStore()
  const parsed = parseMail(raw, withLimits({}))
  const bodies = { bytes: parsed.compressedBodies.bytes, blobKey: null }
  const id = await store.transaction(async (tx) => {
    const rows = contentRows(tx, inMemory(raw), parsed, bodies)
    await tx.runRows(contentSteps([rows]))
    return rows.row.id
  })
  const read = async (range?: { start: number; end: number }) => {
    const chunks: Buffer[] = []
    for await (const chunk of createContents({ store }).read(id, range)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  expect((await read()).equals(raw)).toBe(true)
  expect((await read({ start: 5, end: 50 })).equals(raw.subarray(5, 50))).toBe(true)
  const { bytes } = await store.db.selectFrom('contents').select('bytes').executeTakeFirstOrThrow()
  expect(bytes!.length).toBeLessThanOrEqual(raw.length * shareMax)
})
