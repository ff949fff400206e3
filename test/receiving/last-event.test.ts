/** Tests that `inbox.deleted` is the last event of an inbox that another node deletes while this one is about to append an event. */
import { expect } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { hashToken } from '../../src/mail/receiving/challenges/challenge-token.ts'
import { createSenderChallenges } from '../../src/mail/receiving/challenges/sender-challenges.ts'
import { createRefusals } from '../../src/mail/receiving/policy/refusals.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as verifiedSenders from '../../src/store/tables/verified-senders-table.ts'
import { FeedWorld, type TestInbox } from '../events/feed-world.ts'
import { event, holdOpen, isWaiting, loggedEvents, openTestStore } from '../store/test-store.ts'
import { notSupported } from '../support/test-database.ts'

const acts: Record<string, (world: FeedWorld, inbox: TestInbox) => Promise<() => Promise<unknown>>> = {
  async 'message.refused'({ store, limits, time }, { inboxId, address }) {
    const refusals = createRefusals({
      ...{ store, limits, clock: time.clock, log: createLog('silent') },
      findInbox: () => inboxes.getById(store.db, inboxId),
    })
    refusals.record([address], { sender: 'ann@x.test' }, new MailError('inbox_paused', { address }))
    return () => refusals.flush(true)
  },
  async 'sender.verified'({ store, time }, { organizationId, podId, inboxId }) {
    const tenant = { organization_id: organizationId, pod_id: podId, inbox_id: inboxId }
    await store.transaction((tx) =>
      verifiedSenders.replace(tx, {
        ...{ id: tx.newId(), ...tenant, claim: 'signed:x.test ann@x.test', address: 'ann@x.test' },
        ...{ message_at: 1, created_at: 1, token_hash: hashToken('token'), verified_at: null },
        expires_at: time.now + 1_000,
      }),
    )
    const challenges = createSenderChallenges({ store, clock: time.clock })
    return () => challenges.confirm('token')
  },
}

for (const [type, prepare] of Object.entries(acts)) {
  notSupported('sqlite', 'one process writes')(`${type} does not follow inbox.deleted`, async () => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const append = await prepare(world, inbox)
    await using other = await openTestStore({ dataDir: world.dataDir })
    const held = await holdOpen(other, async (tx) => {
      const row = (await inboxes.lockById(tx, inbox.inboxId))!
      await inboxes.update(tx, row.id, { deleting_at: tx.now, updated_at: tx.now })
      const { organizationId, podId, inboxId } = inbox
      tx.append(event('inbox.deleted', { organizationId, podId, inboxId }))
    })
    const appended = append()
    await isWaiting(world)
    await held.commit()
    await appended
    expect((await loggedEvents(world.store)).map(([, each]) => each)).toEqual(['inbox.deleted'])
  })
}
