/** Tests that each refusal is counted once when there are more than can have an event of their own. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createRefusals } from '../../src/mail/receiving/policy/refusals.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { FeedWorld } from '../events/feed-world.ts'

test('refusals without an event of their own are counted together, also those that arrived while there was no space', async () => {
  await using world = await FeedWorld.open()
  const { inboxId, address } = await world.addInbox()
  const refusals = createRefusals({
    limits: withLimits({ policy: { refusalEventsPerHour: 1, refusalsPendingMax: 2 } }),
    ...{ store: world.store, clock: world.time.clock, log: createLog('silent') },
    findInbox: () => inboxes.getById(world.store.db, inboxId),
  })
  const counts = async () => {
    const rows = await world.store.db.selectFrom('events').select('payload').orderBy('seq').execute()
    return rows.map(({ payload }) => JSON.parse(payload).count)
  }
  const refuse = (count: number) => {
    const error = new MailError('inbox_paused', { address })
    for (let made = 0; made < count; made += 1) refusals.record([address], { sender: 'ann@x.test' }, error)
  }
  refuse(7)
  await refusals.flush()
  expect(await counts()).toEqual([1])
  refuse(1)
  await refusals.flush(true)
  expect(await counts()).toEqual([1, 7])
})
