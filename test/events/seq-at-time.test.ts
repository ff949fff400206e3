import { expect, test } from 'vitest'
import { lastSeqBefore } from '../../src/mail/events/log/seq-at-time.ts'
import { FeedWorld, sent } from './feed-world.ts'

test('the position of a time in the log is found, also if numbers have gaps', async () => {
  await using world = await FeedWorld.open()
  const inbox = await world.addInbox()
  for (let at = 0; at < 9; at += 1) {
    world.time.now += 1_000
    await world.append(sent(inbox))
  }
  const first = world.time.now - 8_000
  await world.store.transaction((tx) => tx.deleteFrom('events').where('seq', 'in', [1, 4, 5, 9]).execute())
  const events = await world.store.db.selectFrom('events').select(['seq', 'at']).execute()
  for (const ms of [-1, 0, 1_000, 1_001, 2_000, 2_001, 5_000, 7_000, 7_001, 8_000, 9_000]) {
    const found = await lastSeqBefore(world.store.db, first + ms, { floor_seq: 0, last_seq: 9 })
    const beyond = (happened: (at: number) => boolean) => events.filter(({ at }) => happened(at)).map(({ seq }) => seq)
    expect(beyond((at) => at >= first + ms).every((seq) => seq > found)).toBe(true)
    expect(beyond((at) => at < first + ms).every((seq) => seq <= found)).toBe(true)
  }
})
