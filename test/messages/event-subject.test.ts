/** Tests the cost of sending one event to many readers, and the check of what each of them may see. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import {
  type Bodies,
  type CompressedBodies,
  compressBodies,
} from '../../src/mail/messages/content/compressed-bodies.ts'
import { createEventSubjects } from '../../src/mail/messages/views/event-subject.ts'
import type { ContentRow } from '../../src/store/schema/message-rows.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

/** More than any body here. */
const BODIES = 1_000

test('a thousand readers of an event cost one read of its bodies, and one statement that checks what hides it', async () => {
  await using store = await openTestStore()
  const event = await receive(store)
  const { counted, statements } = countStatements(store)
  const eventSubjects = createEventSubjects({ store: counted, limits: withLimits() })
  const readers = Array.from({ length: 1_000 }, (_, index) => readerOf(event, `key-${index}`))
  const ask = () => Promise.all(readers.map((reader) => eventSubjects.of(event, reader, BODIES)))

  const subjects = await ask()
  expect(subjects[0]).toMatchObject({ message: { text: 'words' } })
  expect(new Set(subjects).size).toBe(1)
  expect(statements).toMatchObject({ contents: 1, messages: 2 })
  await hide(store, event, 8)
  expect(new Set(await ask())).toEqual(new Set([undefined]))
  expect(statements).toMatchObject({ contents: 1, messages: 3 })

  // Other events are rendered from their payloads.
  expect(await eventSubjects.of({ ...event, type: 'message.sent' }, readers[0]!, BODIES)).toEqual({
    version: 'nothing',
  })
  expect(statements).toMatchObject({ messages: 3 })
})

test('a reader is never given what was read before the mail was hidden', async () => {
  await using store = await openTestStore()
  const event = await receive(store)
  const eventSubjects = createEventSubjects({ store, limits: withLimits() })
  const [narrow, wide] = [readerOf(event, 'narrow'), readerOf(event, 'wide', ['label_trash_read'])]
  const whole = await eventSubjects.of(event, wide, BODIES)
  expect(await eventSubjects.of(event, narrow, BODIES)).toBe(whole)
  await hide(store, event, 8)
  // Some ask while others are being answered.
  const late: Promise<unknown>[] = []
  for (let turn = 0; turn < 20; turn++) {
    late.push(eventSubjects.of(event, narrow, BODIES))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(new Set(await Promise.all(late))).toEqual(new Set([undefined]))
  expect(await eventSubjects.of(event, wide, BODIES)).toMatchObject({
    message: { text: 'words' },
    thread: { messageCount: 1 },
  })
  await hide(store, event, 0)
  expect(await eventSubjects.of(event, narrow, BODIES)).toBe(whole)
})

test('the bodies of a message that is too large for an event are not loaded', async () => {
  await using store = await openTestStore()
  const headers: Bodies['headers'] = [['Subject', 'hello']]
  const compressed = compressBodies({ headers, text: randomText(200_000), html: '\u0001'.repeat(200_000) })
  const { key } = await store.blobs.put(Readable.from([compressed.bytes]))
  const event = await receive(store, { parsed: null, parsed_blob_key: key, ...sizesOf(compressed) })
  let read = 0
  const blobs = {
    ...store.blobs,
    async *get(...request: Parameters<typeof store.blobs.get>) {
      for await (const chunk of store.blobs.get(...request)) {
        read += chunk.length
        yield chunk
      }
    },
  }
  const eventSubjects = createEventSubjects({ store: { ...store, blobs }, limits: withLimits() })
  const { sizeBytes, headBytes } = compressed
  const headSize = Buffer.byteLength(`{"headers":${JSON.stringify(headers)}`)

  const reader = readerOf(event, 'key')
  const bounded = await eventSubjects.of(event, reader, sizeBytes - headSize - 1)
  expect(bounded).toMatchObject({ isWithoutBodies: true, message: { headers }, thread: { id: 'thread' } })
  expect([bounded!.message!.text, bounded!.message!.html, read]).toEqual([undefined, undefined, headBytes])
  const whole = await eventSubjects.of(event, reader, sizeBytes - headSize)
  expect([whole!.message!.html!.length, whole!.isWithoutBodies]).toEqual([200_000, undefined])
})

function randomText(length: number): string {
  return randomBytes(length / 2).toString('hex')
}

function sizesOf({ sizeBytes, headBytes }: CompressedBodies) {
  return { parsed_size_bytes: sizeBytes, parsed_head_bytes: headBytes }
}

async function receive(store: TestStore, content: Partial<ContentRow> = {}): Promise<Event> {
  const { ids, id } = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    const { id } = await insertMessage(tx, ids)
    const { bytes: parsed, ...compressed } = compressBodies({ text: 'words', headers: [] })
    await tx
      .updateTable('contents')
      .set({ parsed, ...sizesOf({ bytes: parsed, ...compressed }), ...content })
      .execute()
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
