/** Tests what the store writes for an event, except the sequence numbers, which group-commit.test.ts tests. */
import { expect, test } from 'vitest'
import * as events from '../../src/store/tables/events-table.ts'
import { insertInbox, insertMessage } from './rows.ts'
import { event, openTestStore } from './test-store.ts'

test('an event is stored as it was when it was appended, with the time of its transaction', async () => {
  await using store = await openTestStore()
  const payload: Record<string, unknown> = { label: 'urgent' }
  const now = await store.transaction(async (tx) => {
    const more = { inboxId: 'inbox', podId: 'pod', messageId: 'message', visibility: 'optional' } as const
    tx.append(event('label.added', { ...more, payload }))
    payload.label = 'changed later'
    return tx.now
  })
  expect(await store.db.selectFrom('events').selectAll().execute()).toEqual([
    {
      seq: 1,
      event_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      at: now,
      organization_id: 'organization',
      pod_id: 'pod',
      inbox_id: 'inbox',
      type: 'label.added',
      visibility: 'optional',
      actor: 'system:test',
      message_id: 'message',
      payload: '{"label":"urgent"}',
    },
  ])
})

test('a message has the number of the last event that changed its labels', async () => {
  await using store = await openTestStore()
  const [first, second, untouched] = await store.transaction(async (tx) => {
    const inbox = await insertInbox(tx)
    return [await insertMessage(tx, inbox), await insertMessage(tx, inbox), await insertMessage(tx, inbox)] as const
  })
  const labelsSeqs = async () => {
    const rows = await store.db.selectFrom('messages').select(['id', 'labels_seq']).execute()
    const byId = new Map(rows.map(({ id, labels_seq }) => [id, labels_seq]))
    return [first, second, untouched].map(({ id }) => byId.get(id))
  }

  await Promise.all([
    store.transaction(async (tx) => {
      tx.append(event('a', { messageId: first.id, changesLabels: true }))
      tx.append(event('b', { messageId: second.id, changesLabels: true }))
      tx.append(event('c'))
    }),
    store.transaction(async (tx) => tx.append(event('d', { messageId: first.id, changesLabels: true }))),
  ])
  expect(await labelsSeqs()).toEqual([4, 2, 0])

  await store.transaction(async (tx) => tx.append(event('e', { messageId: second.id, changesLabels: true })))
  await store.transaction(async (tx) => tx.append(event('f', { messageId: first.id })))
  expect(await labelsSeqs()).toEqual([4, 5, 0])
})

test('hundreds of events of one transaction are numbered in order', async () => {
  await using store = await openTestStore()
  const types = Array.from({ length: 350 }, (_, index) => `type-${index}`)
  await store.transaction(async (tx) => {
    for (const type of types) tx.append(event(type))
  })
  const rows = await store.db.selectFrom('events').select(['seq', 'type']).orderBy('seq').execute()
  expect(rows).toEqual(types.map((type, index) => ({ seq: index + 1, type })))
})

test('the floor of the log never moves back', async () => {
  await using store = await openTestStore()
  const floor = async () => (await events.requireLog(store.db)).floor_seq
  await store.transaction((tx) => events.raiseFloor(tx, { seq: 7, event_id: 'seven' }))
  await store.transaction((tx) => events.raiseFloor(tx, { seq: 3, event_id: 'three' })) // a slower node's sweep
  expect(await floor()).toBe(7)
})
