/**
 * Counts the statements of a page of events and of a wait for a message. Both once needed several for each message, and
 * a page of 500 events occupied the process for a quarter of a second.
 */
import { expect, onTestFinished, test } from 'vitest'
import { createEventJson } from '../../src/edges/http/dialects/agentmail/live/event-json.ts'
import { createEventPages } from '../../src/mail/events/history/event-pages.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import { messageReceived } from '../../src/mail/events/log/message-events.ts'
import { compressBodies } from '../../src/mail/messages/content/compressed-bodies.ts'
import { createEventSubjects } from '../../src/mail/messages/views/event-subject.ts'
import { createWaitForMessage } from '../../src/mail/messages/wait/wait-for-message.ts'
import { thread } from '../dialects/agentmail/sample-views.ts'
import { countStatements } from '../store/count-statements.ts'
import { insertMessage } from '../store/rows.ts'
import { FeedWorld, messageIn } from './feed-world.ts'

const never = new AbortController().signal
const noWait = { waitMs: 0, disconnected: never, draining: never }
const memory = { freeBytes: 64 * 1024, reserve: async () => false, nextTurn: async () => undefined }

/** Opens a store with messages in one inbox and their events. Statements are counted from now on. */
async function openWith(messageCount: number) {
  const world = await FeedWorld.open()
  onTestFinished(() => world[Symbol.asyncDispose]())
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const ids = { organization_id: inbox.organizationId, pod_id: inbox.podId, inbox_id: inbox.inboxId }
  const messageIds = await world.store.transaction(async (tx) => {
    const inserted: string[] = []
    for (let number = 0; number < messageCount; number += 1) {
      const { id } = await insertMessage(tx, ids, { subject: `mail ${number}` })
      inserted.push(id)
      const message = { ...messageIn(inbox, ['received']), id }
      tx.append(messageReceived({ actor: 'system:test', message, thread }))
    }
    await tx
      .insertInto('message_labels')
      .values(inserted.map((id) => ({ message_id: id, label: 'received' })))
      .execute()
    const { bytes: parsed, sizeBytes } = compressBodies({ text: 'words', headers: [] })
    await tx
      .updateTable('contents')
      .set({ parsed, parsed_size_bytes: sizeBytes, verification: '{"codes":[],"links":[]}' })
      .execute()
    return inserted
  })
  const { counted: store, statements } = countStatements(world.store)
  const total = () => Object.values(statements).reduce((sum, count) => sum + count, 0)
  return { world, inbox, actor, messageIds, store, total }
}

test('a page of events needs one set of statements per 50 messages, and hides what is hidden now', async () => {
  const { world, actor, messageIds, store, total } = await openWith(150)
  const { limits, feed } = world
  const eventJson = createEventJson({ eventSubjects: createEventSubjects({ store, limits }), limits })
  const pages = createEventPages({ store, feed, clock: world.time.clock, limits })
  const narrow = { ...actor, permissions: new Set(['message_read'] as const) }
  const read = async (reader = actor) => {
    const renderer = {
      sizesOf: (events: readonly Event[]) => eventJson.sizesOf(events),
      render: async (events: readonly Event[]) => (await eventJson.ofAll(events, reader)).map((text) => text?.buffer),
    }
    const before = total()
    const { texts } = await pages.read(reader, { limit: 500 }, renderer, noWait, memory)
    return { subjects: texts.map((text) => JSON.parse(String(text)).message.subject), statements: total() - before }
  }

  const first = await read()
  expect(first.subjects).toEqual(messageIds.map((_, number) => `mail ${number}`))
  expect(first.statements).toBeLessThanOrEqual(10 + 3 * 8)
  expect((await read()).statements).toBeLessThanOrEqual(10 + 3 * 8) // some are cached: their rows are read together, too

  const [hidden, deleted] = [messageIds[100]!, messageIds[149]!]
  await world.store.transaction(async (tx) => {
    await tx.updateTable('messages').set({ hidden: 8 }).where('id', '=', hidden).execute()
    await tx.deleteFrom('messages').where('id', '=', deleted).execute()
  })
  const wide = (await read()).subjects
  expect([wide.length, wide[100], wide[149]]).toEqual([150, 'mail 100', undefined])
  expect((await read(narrow)).subjects).toEqual(wide.filter((_, number) => number !== 100 && number !== 149))
})

test('a wait for a message examines many events with few statements', async () => {
  const { world, inbox, actor, store, total } = await openWith(400)
  const { limits, feed } = world
  const waitForMessage = createWaitForMessage({ store, feed, limits })
  const { cursor: end } = await waitForMessage.first(
    actor,
    inbox.address,
    { from: ['no one'] },
    'earliest',
    noWait,
    memory,
  )
  expect(total()).toBeLessThanOrEqual(15)
  const { cursor } = await waitForMessage.first(actor, inbox.address, { from: ['no one'] }, end, noWait, memory)
  expect(cursor).toBe(end)
  const last = await waitForMessage.first(actor, inbox.address, { subject: ['mail 399'] }, 'earliest', noWait, memory)
  expect(last.message).toMatchObject({ subject: 'mail 399' })
})
