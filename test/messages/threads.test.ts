/**
 * Tests which thread a message joins, also after messages were removed; and a thread that is changed in several transactions while
 * its inbox is being deleted.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import { createThreads, type Threads } from '../../src/mail/messages/threads/threads.ts'
import type { Store } from '../../src/store/store.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { loggedEvents, openTestStore } from '../store/test-store.ts'
import { amount, firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { fileMail } from './file-mail.ts'

/** A message that was filed. */
interface FiledMail {
  readonly id: string
  readonly threadId: string
  readonly ownId: string
  /** Under which clients see it: another one if the inbox had a message with its own id. */
  readonly messageId: string
}

/** Message-IDs as docs/adr/0007 and 0040 describe them: each belongs to a thread from its first occurrence on. */
class KnownIds {
  readonly #ids = new Map<string, { readonly threadId: string; readonly isOwn: boolean }>()
  readonly #subjects = new Map<string, string>()

  /** Returns the thread that a message has to join, and the id by which it does; undefined: a new one. */
  find(ownId: string, ancestors: readonly string[], subject: string) {
    for (const id of [ownId, ...ancestors]) {
      const known = this.#ids.get(id)
      if (!known) continue
      if ((known.isOwn && id !== ownId) || this.#subjects.get(known.threadId) === subject) return { ...known, id }
    }
    return undefined
  }

  add({ threadId, ownId }: FiledMail, ancestors: readonly string[], subject: string): void {
    if (!this.#subjects.has(threadId)) this.#subjects.set(threadId, subject)
    for (const id of [ownId, ...ancestors]) {
      const before = this.#ids.get(id)
      const isOwn = id === ownId
      if (!before || (isOwn && !before.isOwn)) this.#ids.set(id, { threadId, isOwn })
    }
  }

  /** Forgets a thread. An id that a message of another thread has too leads to that one, if clients see the message under it. */
  removeThread(threadId: string, remaining: Iterable<FiledMail>): void {
    for (const [id, known] of this.#ids) if (known.threadId === threadId) this.#ids.delete(id)
    for (const mail of remaining) {
      const { ownId, messageId } = mail
      if (ownId === messageId && !this.#ids.has(ownId)) this.#ids.set(ownId, { threadId: mail.threadId, isOwn: true })
    }
  }
}

const timeout = amount({ short: 30_000, long: 600_000 })

test('a Message-ID stays in its thread, also after its message was removed', { timeout }, async () => {
  await using store = await openTestStore()
  const removal = createRemoval({ limits: withLimits({}) })
  const seeds = amount({ short: 8, long: 500 })
  // With the first of the short form, an id is in two threads when the earlier one is removed.
  const first = firstSeed('THREADS_SEED', 603_590)
  const joined = { existing: 0, ofRemoved: 0 }

  for (let seed = first; seed < first + seeds; seed += 1) {
    const random = seededRandom(seed)
    const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!
    const ids = await store.transaction(insertInbox)
    // Clients see the one with "?" under another id.
    const names = ['a', 'b', 'c', 'd', 'e?e'].map((name) => `<${name}@example.test>`)
    const known = new KnownIds()
    const filed = new Set<FiledMail>()
    const removed = new Set<string>()

    for (let index = 0; index < 30; index += 1) {
      if (filed.size > 0 && random() < 0.3) await remove(pick([...filed]))
      else await file(index)
    }

    async function file(index: number): Promise<void> {
      const name = random() < 0.7 ? pick(names) : undefined
      const subject = pick(['one', 'two'])
      const ancestors = [...new Set(names.filter(() => random() < 0.2))].toReversed()
      const lines = [
        `Subject: ${subject}`,
        ...(name === undefined ? [] : [`Message-ID: ${name}`]),
        ...(ancestors.length > 0 ? [`References: ${ancestors.toReversed().join(' ')}`] : []),
      ]
      const { id, threadId, messageId } = await fileMail(store, ids, lines, `message ${index}`)
      const mail = { id, threadId, ownId: name ?? messageId, messageId }
      const expected = known.find(mail.ownId, ancestors, subject)
      const threads = new Set([...filed].map((other) => other.threadId))
      const where = `THREADS_SEED=${seed}, message ${index}`
      if (expected) expect(threadId, where).toBe(expected.threadId)
      else expect(threads.has(threadId), where).toBe(false)
      if (expected) joined.existing += 1
      if (expected?.isOwn && removed.has(expected.id)) joined.ofRemoved += 1
      known.add(mail, ancestors, subject)
      filed.add(mail)
      removed.delete(mail.ownId)
      names.push(messageId) // answers to a message without Message-ID refer to what our clients see
    }

    async function remove(mail: FiledMail): Promise<void> {
      await store.transaction(async (tx) => {
        await inboxes.lockById(tx, ids.inbox_id)
        await removal.remove(tx, ids.inbox_id, await messages.listByIds(tx, [mail.id]))
      })
      filed.delete(mail)
      removed.add(mail.ownId)
      if (![...filed].some(({ threadId }) => threadId === mail.threadId)) known.removeThread(mail.threadId, filed)
    }
  }
  expect(Math.min(joined.existing, joined.ofRemoved), JSON.stringify(joined)).toBeGreaterThan(0)
})

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
