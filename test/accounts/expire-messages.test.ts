/** Tests that old messages are deleted in every inbox in which they can be; the flow is in flows/inbox-limits.test.ts. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { expireMessages } from '../../src/mail/accounts/expire-messages.ts'
import { createRemoval, type Removal } from '../../src/mail/messages/removal.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

const DAY = 24 * 60 * 60 * 1_000

// The first inbox whose messages could not be deleted ended each run: all inboxes after it kept theirs for ever.
test('an inbox whose messages cannot be deleted does not stop the others, and the run fails at its end', async () => {
  await using store = await openTestStore()
  const inboxIds = await store.transaction(async (tx) => {
    const inboxes = [await insertInbox(tx), await insertInbox(tx), await insertInbox(tx)]
    for (const inbox of inboxes) await insertMessage(tx, inbox)
    return inboxes.map(({ inbox_id }) => inbox_id)
  })
  const broken = inboxIds.toSorted()[1]!
  // Two inboxes are read at a time.
  const limits = withLimits({ policy: { retentionInboxes: 2 }, jobs: { removalPauseMs: 0 } })
  const working = createRemoval({ limits })
  const removal: Removal = {
    remove: (tx, inboxId, ...about) =>
      inboxId === broken ? Promise.reject(new Error('a broken row')) : working.remove(tx, inboxId, ...about),
  }
  const needs = { store, config: { retentionDays: 1 }, removal, discardBlobs: () => Promise.resolve(), limits }
  const run = expireMessages({ ...needs, clock: () => Date.now() + 2 * DAY }, new AbortController().signal)
  await expect(run).rejects.toMatchObject({
    message: 'messages are kept too long; inboxes: 1',
    cause: { message: `messages of inbox ${broken} could not be deleted`, cause: { message: 'a broken row' } },
  })
  const kept = await store.db.selectFrom('messages').select('inbox_id').execute()
  expect(kept).toEqual([{ inbox_id: broken }])
})
