/** Challenges that nobody has answered are removed when their link has ended; answers stay. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { sweepChallenges } from '../../src/mail/receiving/challenges/challenge-sweep.ts'
import * as verifiedSenders from '../../src/store/tables/verified-senders-table.ts'
import { insertInbox } from '../store/rows.ts'
import { openTestStore } from '../store/test-store.ts'

test('the sweep removes ended links in chunks, and neither open ones nor answers', async () => {
  await using store = await openTestStore()
  const now = 1_000_000
  const names = ['ended-1', 'ended-2', 'ended-3', 'open', 'answered']
  await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    for (const claim of names) {
      const isAnswered = claim === 'answered'
      await verifiedSenders.replace(tx, {
        ...{ id: tx.newId(), ...ids, claim, address: 'a@b.test', message_at: 1, created_at: 1 },
        ...{ token_hash: isAnswered ? null : claim, verified_at: isAnswered ? 1 : null },
        expires_at: claim === 'open' ? now + 1 : now,
      })
    }
  })
  const limits = withLimits({ jobs: { removalChunkRows: 2 } })
  await sweepChallenges({ store, clock: () => now, limits }, new AbortController().signal)
  const left = await store.db.selectFrom('verified_senders').select('claim').orderBy('claim').execute()
  expect(left.map(({ claim }) => claim)).toEqual(['answered', 'open'])
})
