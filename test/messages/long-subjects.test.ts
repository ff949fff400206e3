/**
 * Tests that messages which refer to many threads with long subjects are filed without reading these subjects: a stranger
 * can give each thread a subject of 256 KiB, and refer to 50 threads in each message of a batch.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { contentRows, inMemory } from '../../src/mail/messages/content/insert-content.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import type { FiledMessage } from '../../src/mail/messages/filing/filing.ts'
import { hashId } from '../../src/mail/messages/threads/threading.ts'
import type { Tx } from '../../src/store/handles.ts'
import { rowStep } from '../../src/store/row-statements.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { selectByReferences } from '../../src/store/tables/thread-references-table.ts'
import { type InboxIds, insertInbox } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

const limits = withLimits({})
const fileMessages = createFiling({ limits, domain: 'mail.test' })

async function file(store: TestStore, ids: InboxIds, lines: readonly string[]): Promise<FiledMessage> {
  const raw = Buffer.from(['From: a@example.test', ...lines, '', 'text'].join('\r\n'))
  const parsed = parseMail(raw, limits)
  const bodies = { bytes: parsed.compressedBodies.bytes, blobKey: null }
  const rows = (tx: Tx) => contentRows(tx, inMemory(raw), parsed, bodies)
  const content = {
    parsed,
    sizeBytes: raw.length,
    mailBytes: raw.length,
    checked: undefined,
    rows,
    discard: async () => undefined,
  }
  return store.transaction(async (tx) => {
    const inbox = (await inboxes.lockById(tx, ids.inbox_id))!
    const filing = {
      inbox,
      content,
      labels: ['received'],
      authentication: { result: 'unverified' as const },
      threadMask: 0,
    }
    const [filed] = await fileMessages(tx, [filing])
    return filed as FiledMessage
  })
}

test.each([
  ['letters', 'x'],
  ['four bytes per character', '\u{1f4e7}'],
])('a long subject of %s is compared by its start, and shown as a whole', async (_what, letter) => {
  await using store = await openTestStore()
  const ids = await store.transaction(insertInbox)
  const subject = `report ${letter.repeat(60_000)}`
  const parent = await file(store, ids, [
    'Message-ID: <parent@example.test>',
    'References: <unknown@example.test>',
    `Subject: ${subject}`,
  ])

  const [found] = await store.transaction((tx) =>
    tx.runRows([rowStep(selectByReferences, [{ inbox_id: ids.inbox_id, hash: hashId('<parent@example.test>') }])]),
  )
  expect(found).toMatchObject([{ id: parent.threadId, is_subject_cut: 1 }])
  expect([...found[0]!.subject!]).toHaveLength(300)

  const reply = await file(store, ids, [
    'Message-ID: <2@example.test>',
    'In-Reply-To: <parent@example.test>',
    'Subject: Re: report',
  ])
  expect(reply.thread).toMatchObject({ id: parent.threadId, subject, messageCount: 2 })
  // They only refer to the same id, so the subjects are compared.
  const same = await file(store, ids, ['References: <unknown@example.test>', `Subject: Re: ${subject} and more`])
  expect(same.thread).toMatchObject({ id: parent.threadId, subject, messageCount: 3 })
  const other = await file(store, ids, ['References: <unknown@example.test>', 'Subject: Re: report'])
  expect(other.threadId).not.toBe(parent.threadId)
})
