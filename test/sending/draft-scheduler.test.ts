/** Tests that the scheduler reports a draft that it cannot send only while the draft is its own, and its inbox exists. */
import { expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import { createInterruptedWork } from '../../src/mail/jobs/interrupted-work.ts'
import { DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import { createDraftScheduler } from '../../src/mail/sending/drafts/draft-scheduler.ts'
import type { Tx } from '../../src/store/handles.ts'
import * as drafts from '../../src/store/tables/drafts-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { FeedWorld, type TestInbox } from '../events/feed-world.ts'
import { deferred, loggedEvents } from '../store/test-store.ts'
import { draftOf } from './draft-row.ts'

test.each<[string, (tx: Tx, inbox: TestInbox) => Promise<unknown>, object, string[], error?: Error]>([
  [
    'because what it forwards is lost has an event',
    async () => undefined,
    { send_status: 'failed', send_error: expect.stringContaining('damaged or lost'), lease_owner: null },
    ['draft.updated'],
    new DamagedContent('the file of a message is lost'),
  ],
  ['has an event', async () => undefined, { send_status: 'failed', lease_owner: null }, ['draft.updated']],
  [
    'has none after inbox.deleted, which is the last one of its inbox',
    (tx, inbox) => inboxes.update(tx, inbox.inboxId, { deleting_at: tx.now }),
    { lease_owner: null },
    [],
  ],
  [
    'has none by a worker that has lost its lease, and stays as it is',
    (tx) => tx.updateTable('drafts').set({ lease_owner: 'another' }).execute(),
    { send_status: 'scheduled', send_error: null, lease_owner: 'another' },
    [],
  ],
])(
  'a due draft that cannot be sent %s',
  async (_what, meanwhile, expected, events, error = new MailError('no_recipients', {})) => {
    await using world = await FeedWorld.open()
    const { store, limits, metrics, time } = world
    const inbox = await world.addInbox()
    const key = await world.addKey(inbox)
    const due = { send_status: 'scheduled', send_at: 0, next_attempt_at: 0, scheduled_by: key.apiKeyId } as const
    await store.transaction((tx) => drafts.insert(tx, draftOf(inbox, due)))
    const isTried = deferred()
    const scheduler = createDraftScheduler({
      ...{ store, limits, metrics, wallClock: time.clock, log: createLog('silent'), owner: 'node' },
      ...{ interrupted: createInterruptedWork(limits), eventLoop: createEventLoop(limits) },
      ...{ isPaused: async () => false, keyActor: async () => key },
      sendDraft: {
        async sendClaimed() {
          await store.transaction((tx) => meanwhile(tx, inbox))
          isTried.resolve()
          throw error
        },
      },
    })
    scheduler.start()
    await isTried.promise
    await scheduler.stop(60_000)
    expect(await drafts.listByIds(store.db, ['draft'], store.leaseNow())).toMatchObject([expected])
    expect((await loggedEvents(store)).map(([, type]) => type)).toEqual(events)
  },
)
