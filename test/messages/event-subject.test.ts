/** Tests the cost of sending one event to many readers, and the check of what each of them may see. */
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import { createEventSubjects } from '../../src/mail/messages/views/event-subject.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

test('a thousand readers of an event cost one read of its bodies, and one statement that checks what hides it', async () => {
  await using store = await openTestStore()
  const event = await receive(store)
  const { counted, statements } = countStatements(store)
  const eventSubjects = createEventSubjects({ store: counted, limits: withLimits() })
  const readers = Array.from({ length: 1_000 }, (_, index) => readerOf(event, `key-${index}`))
  const ask = () => Promise.all(readers.map((reader) => eventSubjects.of(event, reader)))

  const subjects = await ask()
  expect(subjects[0]).toMatchObject({ message: { text: 'words' } })
  expect(new Set(subjects).size).toBe(1)
  expect(statements).toMatchObject({ contents: 1, messages: 2 })
  await hide(store, event, 8)
  expect(new Set(await ask())).toEqual(new Set([undefined]))
  expect(statements).toMatchObject({ contents: 1, messages: 3 })

  // Other events are rendered from their payloads.
  expect(await eventSubjects.of({ ...event, type: 'message.sent' }, readers[0]!)).toEqual({ version: 'nothing' })
  expect(statements).toMatchObject({ messages: 3 })
})

test('a reader is never given what was read before the mail was hidden', async () => {
  await using store = await openTestStore()
  const event = await receive(store)
  const eventSubjects = createEventSubjects({ store, limits: withLimits() })
  const [narrow, wide] = [readerOf(event, 'narrow'), readerOf(event, 'wide', ['label_trash_read'])]
  const whole = await eventSubjects.of(event, wide)
  expect(await eventSubjects.of(event, narrow)).toBe(whole)
  await hide(store, event, 8)
  // Some ask while others are being answered.
  const late: Promise<unknown>[] = []
  for (let turn = 0; turn < 20; turn++) {
    late.push(eventSubjects.of(event, narrow))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(new Set(await Promise.all(late))).toEqual(new Set([undefined]))
  expect(await eventSubjects.of(event, wide)).toMatchObject({ message: { text: 'words' }, thread: { messageCount: 1 } })
  await hide(store, event, 0)
  expect(await eventSubjects.of(event, narrow)).toBe(whole)
})

async function receive(store: TestStore): Promise<Event> {
  const { ids, id } = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    const { id } = await insertMessage(tx, ids)
    const parsed = deflateRawSync(JSON.stringify({ text: 'words', headers: [] }))
    await tx.updateTable('contents').set({ parsed }).execute()
    return { ids, id }
  })
  const place = { organizationId: ids.organization_id, podId: ids.pod_id, inboxId: ids.inbox_id }
  const reference = { inboxAddress: 'ada@example.test', threadId: 'thread', apiMessageId: '<id@test>' }
  const payload = { ...reference, labels: ['received'], thread: { id: 'thread', subject: 'hello' } }
  return { seq: 1, cursor: 'c', eventId: 'e', at: 0, type: 'message.received', ...place, messageId: id, payload }
}

async function hide(store: TestStore, { messageId }: Event, hidden: number): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.updateTable('messages').set({ hidden }).where('id', '=', messageId!).execute()
    await tx
      .updateTable('threads')
      .set({ visible_count: hidden === 0 ? 1 : 0 })
      .execute()
  })
}

function readerOf({ organizationId }: Event, apiKeyId: string, more: readonly 'label_trash_read'[] = []): KeyActor {
  return { kind: 'key', apiKeyId, organizationId, permissions: new Set(['message_read', ...more] as const) }
}
