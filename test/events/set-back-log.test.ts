/** Tests that a running node notices a log that was restored from a backup, or that a standby continues without its last events. */
import { expect, test } from 'vitest'
import type { NewEvent } from '../../src/store/handles.ts'
import type { Store } from '../../src/store/store.ts'
import { openHookWorld } from '../webhooks/hook-world.ts'
import { FeedWorld, sent } from './feed-world.ts'

/** Removes the events after a number, and gives their numbers to others. */
async function setBack(store: Store, seq: number, ...others: readonly NewEvent[]): Promise<void> {
  await store.transaction(async (tx) => {
    const { event_id } = await tx
      .selectFrom('events')
      .select('event_id')
      .where('seq', '=', seq)
      .executeTakeFirstOrThrow()
    await tx.deleteFrom('events').where('seq', '>', seq).execute()
    await tx.updateTable('event_log').set({ last_seq: seq, last_event_id: event_id }).execute()
    await tx.deleteFrom('webhook_deliveries').where('seq', '>', seq).execute()
    await tx.updateTable('event_consumers').set({ cursor_seq: seq }).where('cursor_seq', '>', seq).execute()
    for (const each of others) tx.append(each)
  })
}

// A live subscriber got none of the events whose numbers it had had before.
test.each([1, 2, 3])(
  'live subscribers are ended, and get all events with a cursor that is still valid (%i new ones)',
  async (count) => {
    await using world = await FeedWorld.open()
    const inbox = await world.addInbox()
    const actor = await world.addKey(inbox)
    const live = await world.listen(actor)
    const watched = { isOver: false }
    void world.feed.untilRevoked(actor, live.abort.signal).then(() => {
      watched.isOver = true
    })
    let signals = 0
    world.feed.followInbox(inbox.inboxId, () => {
      signals += 1
    })
    await world.append(sent(inbox), sent(inbox), sent(inbox))
    await live.count(3)
    const before = signals
    await setBack(world.store, 1, ...new Array<NewEvent>(count).fill(sent(inbox)))

    expect(await live.reason()).toBe('set_back')
    expect(signals).toBe(before + 1)
    await expect(world.listen(actor, { after: live.collected[2]!.cursor })).rejects.toMatchObject({
      code: 'cursor_expired',
    })
    const back = await world.listen(actor, { after: live.collected[0]!.cursor })
    await world.append(sent(inbox))
    await back.count(count + 1)
    expect(back.seqs).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 2))
    expect(watched.isOver).toBe(false) // a socket that has not subscribed is still watched
    live.abort.abort()
    back.abort.abort()
  },
)

// They waited until an event was committed that a webhook wanted.
test.each([1, 2])('webhooks get the events with numbers that were dispatched before (%i new ones)', async (count) => {
  await using world = await openHookWorld()
  await world.add()
  await world.feedWorld.append(sent(world.inbox), sent(world.inbox), sent(world.inbox))
  await world.settled()
  await setBack(world.feedWorld.store, 1, ...new Array<NewEvent>(count).fill(sent(world.inbox)))
  await expect.poll(() => world.deliveries()).toEqual(new Array(1 + count).fill('0 message.sent'))
})
