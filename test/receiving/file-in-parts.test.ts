import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import type { PreparedContent } from '../../src/mail/messages/content/prepared-content.ts'
import { inParts } from '../../src/mail/messages/estimated-rows.ts'
import type { Receipt } from '../../src/mail/receiving/arrival.ts'
import { fileParts, shareContent } from '../../src/mail/receiving/file-in-parts.ts'
import type { Tx } from '../../src/store/handles.ts'
import * as contents from '../../src/store/tables/contents-table.ts'
import { DELETED, mailIn } from '../messages/filing-world.ts'
import { openTestStore } from '../store/test-store.ts'

const RECEIPT = { id: '1', messageId: '<1@a.test>', isDuplicate: false }

const prepared = {
  rows: (tx: Tx) => ({ row: contentRow(tx.newId(), tx.now), attachments: [], addresses: [], shown: [] }),
} as unknown as PreparedContent

function contentRow(id: string, now: number) {
  const blobs = { bytes: Buffer.from('x'), blob_key: null, parsed: null, parsed_blob_key: null }
  const sizes = { size_bytes: 1, parsed_size_bytes: 0, parsed_head_bytes: 0, envelope: null }
  return { id, ...blobs, ...sizes, verification: null, created_at: now }
}

test('the first part that stores a message inserts its content, and the later ones use it', async () => {
  await using store = await openTestStore()
  const { content, begin, recordCommit } = shareContent(prepared)
  const insert = async (outcome: 'commits' | 'fails') => {
    const stored = await store.transaction(async (tx) => {
      await begin(tx)
      const { row, isStored } = content.rows(tx)
      if (!isStored) await tx.insertInto('contents').values(row).execute()
      if (outcome === 'fails') throw new MailError('disk_full', {})
      return row.id
    })
    recordCommit()
    return stored
  }
  await expect(insert('fails')).rejects.toThrow()
  const id = await insert('commits')
  expect(await insert('commits')).toBe(id)
  expect(await store.db.selectFrom('contents').select('id').execute()).toEqual([{ id }])

  // Its only message was deleted: the blobs are gone, so the peer must send the message again.
  await store.transaction((tx) => contents.removeUnused(tx, [id]))
  await expect(insert('commits')).rejects.toMatchObject({ code: 'unavailable' })
})

/** A message that is filed in two parts, of which the first has one recipient, and whose bytes are in a blob. */
const divided = Buffer.from(
  `To: ${Array.from({ length: 600 }, (_, index) => `zoe${index}@a.test`).join(',\r\n ')}\r\n\r\n${'hello\r\n'.repeat(50_000)}`,
)

test('a message that is filed in parts is stored once', async () => {
  await using store = await openTestStore()
  const mail = mailIn(store)
  const tenants = await mail.addTenants()
  const [receipts] = await mail.run(tenants, [{ kind: 'received', raw: divided, to: [0, 1, 2] }])
  expect(receipts).toHaveLength(3)
  expect(mail.batches).toEqual([1, 1])
  expect(await store.db.selectFrom('contents').select('id').execute()).toHaveLength(1)
})

// It was deleted as that of a message that no inbox has.
test('the blob of a message remains when a later part fails', async () => {
  await using store = await openTestStore()
  const mail = mailIn(store)
  const tenants = await mail.addTenants()
  const [failure] = await mail.run(tenants, [
    { kind: 'received', raw: divided, to: [0, 1, DELETED] },
    { kind: 'inbox is deleted' },
  ])
  expect(failure).toBe('unavailable')
  const { blob_key } = await store.db.selectFrom('contents').select('blob_key').executeTakeFirstOrThrow()
  expect((await text(store.blobs.get(blob_key!))).endsWith('hello\r\n')).toBe(true)
})

test('receipts are in the order of the recipients', async () => {
  const file = async (part: readonly string[]): Promise<Receipt[]> =>
    part.map((recipient) => ({ ...RECEIPT, recipient }))
  const receipts = await fileParts(['a', 'b', 'c'], [['a', 'c'], ['b']], file)
  expect(receipts.map(({ recipient }) => recipient)).toEqual(['a', 'b', 'c'])
})

test('an inbox that is deleted during the first part is unknown, and during a later part a reason to try again', async () => {
  const deleted = (missing: string) => async (part: readonly string[]) => {
    if (part.includes(missing)) throw new MailError('unknown_recipient', { address: missing })
    return part.map((recipient) => ({ ...RECEIPT, recipient }))
  }
  await expect(fileParts(['a', 'b'], [['a'], ['b']], deleted('a'))).rejects.toMatchObject({ code: 'unknown_recipient' })
  await expect(fileParts(['a', 'b'], [['a'], ['b']], deleted('b'))).rejects.toMatchObject({ code: 'unavailable' })
})

test('items are divided by the rows that they write', () => {
  expect(inParts([1, 2, 3, 4, 5], { perItem: 10, first: 15, max: 25 })).toEqual([[1], [2, 3], [4, 5]])
  expect(inParts([1, 2], { perItem: 100, first: 0, max: 25 })).toEqual([[1], [2]])
  expect(inParts([], { perItem: 1, first: 0, max: 25 })).toEqual([])
})
