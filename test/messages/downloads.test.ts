/** Tests how often a download reads what is stored. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createSignedTokens } from '../../src/mail/access/signed-tokens.ts'
import { type Contents, createContents } from '../../src/mail/messages/content/contents.ts'
import { createDownloads } from '../../src/mail/messages/content/downloads.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

const KIB = 1024

// The end of a row was read before the response began, and then the row again.
test.each([
  ['in a row', 64 * KIB + 1, false, 1],
  ['in a row, as large as one can be', 256 * KIB, false, 1],
  ['in a file, whose end is read first', 256 * KIB + 1, true, 2],
])('a message %s is read the least times', async (_where, sizeBytes, isInFile, times) => {
  await using store = await openTestStore()
  const bytes = randomBytes(sizeBytes)
  const blob = isInFile ? await store.blobs.put(only(bytes)) : undefined
  const { id } = await store.transaction(async (tx) => {
    const message = await insertMessage(tx, await insertInbox(tx))
    const stored = blob ? { blob_key: blob.key } : { bytes }
    await tx
      .updateTable('contents')
      .set({ ...stored, size_bytes: sizeBytes })
      .execute()
    await tx.updateTable('messages').set({ size_bytes: sizeBytes }).execute()
    return message
  })
  let count = 0
  const stored = createContents({ store })
  const contents: Contents = {
    read(...what) {
      count += 1
      return stored.read(...what)
    },
  }
  const downloads = createDownloads({
    ...{ store, contents, reportDamage: () => undefined, clock: Date.now, limits: withLimits() },
    tokens: createSignedTokens({ store, random: randomBytes, name: 'downloads' }),
  })
  const file = await downloads.open((await downloads.link({ messageId: id })).token)
  const chunks: Uint8Array[] = []
  for await (const chunk of file.bytes) chunks.push(chunk)
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  expect(count).toBe(times)
  // For the log, if the file breaks while it is sent.
  expect(file.about).toEqual({ messageId: id })
})

// The length of the attachment decided, and up to 256 KiB of it stayed in memory until a slow client had read it.
test.each([
  ['a file is streamed in chunks', 1024 * KIB, 200 * KIB, 64 * KIB],
  ['a file is read at once if it is short', 1024 * KIB, 64 * KIB, 64 * KIB],
  ['a row is read at once', 256 * KIB, 200 * KIB, 200 * KIB],
])('an attachment of a message in %s', async (_how, sizeBytes, attachmentBytes, chunkBytesMax) => {
  await using store = await openTestStore()
  const bytes = randomBytes(sizeBytes)
  const blob = sizeBytes > 256 * KIB ? await store.blobs.put(only(bytes)) : undefined
  const attachmentId = 'attachment'
  const { id } = await store.transaction(async (tx) => {
    const message = await insertMessage(tx, await insertInbox(tx))
    const stored = blob ? { blob_key: blob.key } : { bytes }
    await tx
      .updateTable('contents')
      .set({ ...stored, size_bytes: sizeBytes })
      .execute()
    await tx
      .insertInto('attachments')
      .values({
        ...{ id: attachmentId, content_id: message.contentId, position: 0, content_type: 'application/zip' },
        ...{ disposition: 'attachment', transfer_encoding: 'binary', size_bytes: attachmentBytes },
        ...{ offset_bytes: 100, length_bytes: attachmentBytes },
      })
      .execute()
    return message
  })
  let count = 0
  const stored = createContents({ store })
  const contents: Contents = {
    read(...what) {
      count += 1
      return stored.read(...what)
    },
  }
  const downloads = createDownloads({
    ...{ store, contents, reportDamage: () => undefined, clock: Date.now, limits: withLimits() },
    tokens: createSignedTokens({ store, random: randomBytes, name: 'downloads' }),
  })
  const file = await downloads.open((await downloads.link({ messageId: id, attachmentId })).token)
  const chunks: Uint8Array[] = []
  for await (const chunk of file.bytes) chunks.push(chunk)
  expect(Buffer.concat(chunks).equals(bytes.subarray(100, 100 + attachmentBytes))).toBe(true)
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(chunkBytesMax)
  expect(count).toBe(attachmentBytes > chunkBytesMax ? 2 : 1)
})

async function* only(bytes: Buffer) {
  yield bytes
}
