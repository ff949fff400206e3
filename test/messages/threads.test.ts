/** Tests a thread that is changed in several transactions while its inbox is being deleted. */
import { expect, test } from 'vitest'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import { createThreads, type Threads } from '../../src/mail/messages/threads/threads.ts'
import type { Store } from '../../src/store/store.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { insertMessage } from '../store/rows.ts'
import { loggedEvents } from '../store/test-store.ts'

test.each<[string, (threads: Threads, actor: KeyActor, id: string) => Promise<unknown>, string]>([
  ['deletion', (threads, actor, id) => threads.delete(actor, {}, id), 'message.deleted'],
  ['change', (threads, actor, id) => threads.changeLabels(actor, {}, id, { add: ['mine'] }), 'label.added'],
])('the %s of a thread ends when its inbox is deleted: inbox.deleted is the last event', async (_name, act, type) => {
  await using world = await FeedWorld.open({ jobs: { removalMessages: 1 }, messages: { transactionRowsMax: 1 } })
  const { store, limits } = world
  const inbox = await world.addInbox()
  const ids = { organization_id: inbox.organizationId, pod_id: inbox.podId, inbox_id: inbox.inboxId }
  const threadId = await store.transaction(async (tx) => {
    const first = await insertMessage(tx, ids)
    const second = await insertMessage(tx, ids)
    const { thread_id } = await tx
      .selectFrom('messages')
      .select('thread_id')
      .where('id', '=', first.id)
      .executeTakeFirstOrThrow()
    await tx.updateTable('messages').set({ thread_id }).where('id', '=', second.id).execute()
    await tx.updateTable('threads').set({ message_count: 2, visible_count: 2 }).where('id', '=', thread_id).execute()
    return thread_id
  })
  const deleteInbox = () =>
    store.transaction((tx) => inboxes.update(tx, inbox.inboxId, { deleting_at: tx.now, updated_at: tx.now }))
  const interrupted: Store = Object.create(store, {
    transaction: {
      async value(...call: Parameters<Store['transaction']>) {
        const result = await store.transaction(...call)
        await deleteInbox()
        return result
      },
    },
  })
  const threads = createThreads({
    ...{ store: interrupted, limits, removal: createRemoval({ limits }) },
    ...{ discardBlobs: async () => undefined, downloads: undefined! },
  })
  await act(threads, await world.addKey(inbox), threadId)
  expect((await loggedEvents(store)).map(([, each]) => each)).toEqual([type])
})
