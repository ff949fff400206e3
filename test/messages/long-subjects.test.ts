/**
 * Tests that messages which refer to many threads with long subjects are filed without reading these subjects: a stranger
 * can give each thread a subject of 256 KiB, and refer to 50 threads in each message of a batch.
 */
import { expect, test } from 'vitest'
import { hashId } from '../../src/mail/messages/threads/threading.ts'
import { rowStep } from '../../src/store/row-statements.ts'
import { selectByReferences } from '../../src/store/tables/thread-references-table.ts'
import { insertInbox } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'
import { fileMail } from './file-mail.ts'

test.each([
  ['letters', 'x'],
  ['four bytes per character', '\u{1f4e7}'],
])('a long subject of %s is compared by its start, and shown as a whole', async (_what, letter) => {
  await using store = await openTestStore()
  const ids = await store.transaction(insertInbox)
  const subject = `report ${letter.repeat(60_000)}`
  const parent = await fileMail(store, ids, [
    'Message-ID: <parent@example.test>',
    'References: <unknown@example.test>',
    `Subject: ${subject}`,
  ])

  const [found] = await store.transaction((tx) =>
    tx.runRows([rowStep(selectByReferences, [{ inbox_id: ids.inbox_id, hash: hashId('<parent@example.test>') }])]),
  )
  expect(found).toMatchObject([{ id: parent.threadId, is_subject_cut: 1 }])
  expect([...found[0]!.subject!]).toHaveLength(300)

  const reply = await fileMail(store, ids, [
    'Message-ID: <2@example.test>',
    'In-Reply-To: <parent@example.test>',
    'Subject: Re: report',
  ])
  expect(reply.thread).toMatchObject({ id: parent.threadId, subject, messageCount: 2 })
  // They only refer to the same id, so the subjects are compared.
  const same = await fileMail(store, ids, ['References: <unknown@example.test>', `Subject: Re: ${subject} and more`])
  expect(same.thread).toMatchObject({ id: parent.threadId, subject, messageCount: 3 })
  const other = await fileMail(store, ids, ['References: <unknown@example.test>', 'Subject: Re: report'])
  expect(other.threadId).not.toBe(parent.threadId)
})
