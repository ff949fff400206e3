/**
 * Tests how mailboxes follow the log: after random changes, entries and snapshots equal what a full comparison finds, and
 * UIDs never repeat. It detects a lost or doubled change, because the model is computed from the labels alone.
 */
import { expect, onTestFinished, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { MailAccount, OpenMailbox, Snapshot } from '../../src/edges/imap/session/mail-store.ts'
import { expireMessages } from '../../src/mail/accounts/expire-messages.ts'
import { mailboxesChanged, messagesRemoved } from '../../src/mail/events/log/mailbox-events.ts'
import { createProjection } from '../../src/mail/mailboxes/projection/mailbox-projection.ts'
import type { Tx } from '../../src/store/handles.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as mailboxesTable from '../../src/store/tables/mailboxes-table.ts'
import { labelsOf } from '../../src/store/tables/messages-table.ts'
import { amount, firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { notSupported } from '../support/test-database.ts'
import { appendedMail, type MailboxWorld, startMailboxes, startNode } from './mailbox-world.ts'

const NAMES = ['INBOX', 'Archive', 'Sent', 'Spam', 'Trash', 'Work', 'Play']

/** Follows the chain of a session and applies each step, as a client does. */
class Session {
  readonly mailbox: OpenMailbox
  /** Flags by UID. */
  readonly believed = new Map<number, string>()
  readonly seenUids = new Set<number>()
  #at: Snapshot

  constructor(mailbox: OpenMailbox) {
    this.mailbox = mailbox
    this.#at = mailbox.latest()
    this.#take(this.#at, 0)
  }

  async follow(): Promise<void> {
    await this.mailbox.refresh()
    for (let step = this.#at.next; step; step = this.#at.next) {
      for (const uid of step.vanished) expect(this.believed.delete(uid)).toBe(true)
      const { snapshot } = step
      this.#take(snapshot, snapshot.uids.length - step.appendedCount)
      for (const uid of step.changed) {
        expect(this.believed.has(uid)).toBe(true)
        this.believed.set(uid, flagsAt(snapshot, Array.from(snapshot.uids).indexOf(uid)))
      }
      expect([...this.believed.keys()].toSorted((a, b) => a - b)).toEqual(Array.from(snapshot.uids))
      expect(snapshot.highestModseq).toBeGreaterThanOrEqual(Math.max(0, ...Array.from(snapshot.modseqs)))
      this.#at = snapshot
    }
  }

  #take(snapshot: Snapshot, from: number): void {
    for (let index = from; index < snapshot.uids.length; index += 1) {
      const uid = snapshot.uids[index]!
      expect(this.seenUids.has(uid)).toBe(false)
      this.seenUids.add(uid)
      this.believed.set(uid, flagsAt(snapshot, index))
    }
  }
}

function flagsAt(snapshot: Snapshot, index: number): string {
  return snapshot.flags[index]!.filter((flag) => flag !== '\\Deleted').join(' ')
}

/** Returns what each mailbox must contain: the flags of its messages, sorted. */
async function expected(world: MailboxWorld): Promise<Map<string, string[]>> {
  const { db } = world.store
  const rows = await mailboxesTable.listByInbox(db, world.inboxId)
  const projection = createProjection(rows)
  const messages = await db.selectFrom('messages').select('id').where('inbox_id', '=', world.inboxId).execute()
  const labels = await labelsOf(
    db,
    messages.map(({ id }) => id),
  )
  const found = new Map<string, string[]>(NAMES.map((name) => [name, []]))
  for (const { id } of messages) {
    const own = labels.get(id) ?? []
    for (const mailboxId of projection.mailboxesOf(own)) {
      found.get(rows.find((row) => row.id === mailboxId)!.name)?.push(projection.flagsOf(own))
    }
  }
  return new Map([...found].map(([name, flags]) => [name, flags.toSorted()]))
}

function shown(sessions: readonly Session[]): Map<string, string[]> {
  return new Map(sessions.map(({ mailbox, believed }) => [mailbox.name, [...believed.values()].sort()]))
}

async function openAll(account: MailAccount): Promise<Session[]> {
  return Promise.all(NAMES.map(async (name) => new Session(await account.open(name))))
}

async function subjectsOf(mailbox: OpenMailbox): Promise<string[]> {
  const subjects: string[] = []
  const uids = Array.from(mailbox.latest().uids)
  for await (const batch of mailbox.fetch(uids, { envelope: true }, new AbortController().signal))
    subjects.push(...batch.map(({ envelope }) => /"(\d)"/.exec(envelope!)![1]!))
  return subjects
}

const MEMORY = { freeBytes: 1_000_000, reserve: async () => false, nextTurn: async () => undefined }

const FIRST = firstSeed('TEST_SEED', 7)
const SEEDS = Array.from({ length: amount({ short: 1, long: 10 }) }, (_, index) => FIRST + index)
const timeout = amount({ short: 30_000, long: 300_000 })

test.each(SEEDS)('after random changes, sessions believe what the labels say (seed %i)', { timeout }, async (seed) => {
  const random = seededRandom(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
  await using world = await startMailboxes({ mailboxes: { catchUpEvents: 7, compareMessages: 5, changeMessages: 3 } })
  const account = await world.logIn()
  for (const name of ['Work', 'Play']) await account.create(name)
  for (let index = 0; index < 12; index += 1) await world.receive({ labels: random() < 0.2 ? ['spam'] : [] })
  const sessions = await openAll(account)
  const ids = () => world.store.db.selectFrom('messages').select('id').where('inbox_id', '=', world.inboxId).execute()

  for (let round = 0; round < amount({ short: 60, long: 1_000 }); round += 1) {
    const { mailbox } = pick(sessions)
    const uids = Array.from(mailbox.latest().uids).filter(() => random() < 0.3)
    const action = random()
    if (action < 0.15)
      await world.receive({ labels: random() < 0.2 ? [pick(['spam', 'unauthenticated'] as const)] : [] })
    else if (action < 0.45) {
      const some = (await ids()).map(({ id }) => id).filter(() => random() < 0.2)
      const label = pick(['unread', 'work', 'play', 'archived', 'trash', 'spam', 'flagged', 'mine', 'a b'])
      const change = random() < 0.5 ? { add: [label] } : { remove: [label] }
      if (some.length > 0) await world.node.labels.change(world.actor, world.inboxId, some, change)
    } else if (action < 0.6)
      await mailbox.storeFlags(uids, { how: pick(['add', 'remove', 'replace']), flags: ['\\Seen', 'x'] })
    else if (action < 0.8) {
      const to = pick(NAMES)
      await (random() < 0.5 ? mailbox.copy(uids, to) : mailbox.move(uids, to)).catch((error: { code?: string }) =>
        expect(error.code).toBe('CANNOT'),
      )
    } else if (action < 0.95) {
      await mailbox.storeFlags(uids.slice(0, 2), { how: 'add', flags: ['\\Deleted'] })
      await mailbox.expunge()
    } else {
      // As if retention had purged events that were not seen: everything is compared.
      await world.store.transaction(async (tx) => {
        const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
        await tx.updateTable('event_log').set({ floor_seq: last_seq }).execute()
      })
    }
    if (random() < 0.4) await Promise.all(sessions.map((session) => session.follow()))
  }
  await Promise.all(sessions.map((session) => session.follow()))
  expect(shown(sessions)).toEqual(await expected(world))
  // What a new session loads is the same.
  account.close()
  expect(shown(await openAll(await world.logIn()))).toEqual(shown(sessions))
})

test('sessions see what left a mailbox while all events were purged, in several steps', async () => {
  // A later step had deleted the tombstones of an earlier one before the node read them: the messages stayed for ever.
  await using world = await startMailboxes({ mailboxes: { compareMessages: 1 } })
  const ids = [await world.receive(), await world.receive(), await world.receive()]
  const inbox = await (await world.logIn()).open('INBOX')
  expect(inbox.latest().uids).toHaveLength(3)
  await world.node.labels.change(world.actor, world.inboxId, ids.slice(0, 2), { add: ['trash'] })
  await world.store.transaction(async (tx) => {
    const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
    await tx.updateTable('event_log').set({ floor_seq: last_seq }).execute()
  })
  await inbox.refresh()
  expect(Array.from(inbox.latest().uids)).toEqual([3])
})

test('UIDs and UIDVALIDITY outlive the process; a restored database has another UIDVALIDITY', async () => {
  await using world = await startMailboxes()
  const first = await world.logIn()
  await world.receive()
  const id = await world.receive()
  const before = await first.status('INBOX')
  await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['trash'] })

  const again = await startNode(world.store, withLimits({ access: { failedLoginDelayMs: 0 } }))
  const account = await world.logIn(undefined, again)
  const after = await account.status('INBOX')
  expect([after.uidNext, after.uidValidity, after.mailboxId]).toEqual([3, before.uidValidity, before.mailboxId])
  expect(after.messages).toBe(1)
  await world.receive()
  const inbox = await account.open('INBOX')
  expect(Array.from(inbox.latest().uids)).toEqual([1, 3])

  await world.store.transaction((tx) => mailboxesTable.raiseUidValidity(tx))
  const valid = await world.store.db.selectFrom('mailboxes').select('uid_validity').execute()
  const states = await world.store.db.selectFrom('mailbox_states').select('last_uid_validity').execute()
  expect(Math.max(...valid.map((row) => row.uid_validity))).toBeLessThanOrEqual(states[0]!.last_uid_validity)
  const restored = await startNode(world.store, withLimits({ access: { failedLoginDelayMs: 0 } }))
  const status = await (await world.logIn(undefined, restored)).status('INBOX')
  expect(status.uidValidity).toBeGreaterThan(before.uidValidity)
  await again.feed.stop()
  await restored.feed.stop()
})

test('a backup that is restored twice has another UIDVALIDITY each time', async () => {
  // It had the same one, and other messages under the same UIDs.
  let nowMs = Date.now()
  await using world = await startMailboxes({}, { clock: () => nowMs })
  const { uidValidity: backedUp } = await (await world.logIn()).status('INBOX')
  const restore = async () => {
    nowMs += 1_000
    await world.store.transaction(async (tx) => {
      await tx.updateTable('mailboxes').set({ uid_validity: backedUp }).execute()
      await mailboxesTable.raiseUidValidity(tx)
    })
    const rows = await world.store.db.selectFrom('mailboxes').select('uid_validity').distinct().execute()
    return rows.map(({ uid_validity: validity }) => validity)
  }
  const [first] = await restore()
  const [second] = await restore()
  expect([backedUp, first, second]).toEqual([backedUp, first, second].toSorted((a, b) => a! - b!))
  expect(new Set([backedUp, first, second]).size).toBe(3)
})

notSupported('sqlite', 'it has one node')('two nodes give one UID to a message, and show the same', async () => {
  await using world = await startMailboxes()
  const store = await openStore(world.store.needs)
  const node = await startNode(store, withLimits({ access: { failedLoginDelayMs: 0 } }))
  try {
    const here = await (await world.logIn()).open('INBOX')
    const there = await (await world.logIn(undefined, node)).open('INBOX')
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([world.receive(), world.receive(), here.refresh(), there.refresh()])
      const flags = ['\\Flagged']
      await Promise.all([
        here.storeFlags([round + 1], { how: 'add', flags }),
        there.storeFlags([round + 2], { how: 'add', flags }),
      ])
    }
    const [one, two] = await Promise.all([here.refresh(), there.refresh()])
    expect(Array.from(one.uids)).toEqual(Array.from({ length: 10 }, (_, index) => index + 1))
    expect(Array.from(two.uids)).toEqual(Array.from(one.uids))
    expect(two.flags).toEqual(one.flags)
    expect(Array.from(two.modseqs)).toEqual(Array.from(one.modseqs))
  } finally {
    await node.feed.stop()
    await store.close()
  }
})

test('a full comparison has many transactions, each of a limited number of messages, entries and drafts', async () => {
  // All drafts were compared in one, so that with 33,000 of them all other writers waited for seconds.
  await using world = await startMailboxes()
  const { store, inboxId } = world
  const account = await world.logIn()
  for (let count = 0; count < 9; count += 1) {
    await world.receive()
    await account.append('Drafts', appendedMail(`Subject: ${count}\nMessage-ID: <${count}@x.test>\n\n${count}\n`))
  }
  const drafts = await account.open('Drafts')
  const { uids } = drafts.latest()
  expect(uids).toHaveLength(9)
  drafts.close()
  // Of three, the entry is missing; three others are gone; three are as they were.
  await store.transaction(async (tx) => {
    await tx.deleteFrom('mailbox_entries').where('uid', 'in', [1, 2, 3]).where('item_kind', '=', 'revision').execute()
    const rows = await tx.selectFrom('drafts').select('id').orderBy('id').execute()
    await tx
      .deleteFrom('drafts')
      .where(
        'id',
        'in',
        rows.slice(3, 6).map(({ id }) => id),
      )
      .execute()
    const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
    await tx.updateTable('mailbox_states').set({ compare_seq: last_seq }).execute()
  })

  const changed: number[] = []
  const limits = withLimits({ access: { failedLoginDelayMs: 0 }, mailboxes: { compareMessages: 2 } })
  const counted: Store = Object.create(store, {
    transaction: {
      value: (run: Parameters<Store['transaction']>[0]) =>
        store.transaction(async (tx) => {
          const before = await entryIds(tx)
          const result = await run(tx)
          const after = await entryIds(tx)
          changed.push(
            [...before].filter((id) => !after.has(id)).length + [...after].filter((id) => !before.has(id)).length,
          )
          return result
        }),
    },
  })
  const node = await startNode(counted, limits)
  onTestFinished(() => node.feed.stop())
  const again = await (await world.logIn(undefined, node)).open('Drafts')
  expect(Array.from(again.latest().uids)).toEqual([7, 8, 9, 10, 11, 12])
  expect(Math.max(...changed)).toBe(2)
  // 9 messages, 9 entries of INBOX, 6 of Drafts, 6 drafts.
  expect(changed.length).toBeGreaterThanOrEqual(30 / 2)
  expect(await subjectsOf(again)).toEqual(['6', '7', '8', '0', '1', '2'])

  async function entryIds(tx: Tx): Promise<Set<string>> {
    const rows = await tx
      .selectFrom('mailbox_entries')
      .innerJoin('mailboxes', 'mailboxes.id', 'mailbox_id')
      .select(['mailbox_id', 'uid'])
      .where('inbox_id', '=', inboxId)
      .execute()
    return new Set(rows.map(({ mailbox_id, uid }) => `${mailbox_id} ${uid}`))
  }
})

test('what changes between two steps of a comparison is shown as after it, and nothing twice', async () => {
  await using world = await startMailboxes()
  const { store, inboxId, actor, node: other } = world
  const account = await world.logIn()
  for (const name of ['Work', 'Play']) await account.create(name)
  const ids: string[] = []
  for (let count = 0; count < 6; count += 1) ids.push(await world.receive())
  const relabel = (some: readonly string[], change: { add?: string[]; remove?: string[] }) =>
    other.labels.change(actor, inboxId, some, change)
  await relabel(ids.slice(0, 3), { add: ['work'] })
  await relabel(ids.slice(2, 5), { add: ['play'] })
  const drafts: string[] = []
  const write = async (subject: string) => {
    const draft = await other.drafts.create(actor, inboxId, { to: ['bob@x.test'], subject }, MEMORY)
    drafts.push(draft.id)
  }
  for (let count = 0; count < 6; count += 1) await write(`${count}`)
  const before = new Map<string, Snapshot>()
  const session = new Session(await account.open('Drafts'))
  for (const name of ['INBOX', 'Drafts', 'Play']) {
    const mailbox = await account.open(name)
    before.set(name, mailbox.latest())
    mailbox.close()
  }
  const beginComparison = async (tx: Tx) => {
    tx.append(mailboxesChanged((await inboxes.lockById(tx, inboxId))!, { isUnused: false }))
  }
  await store.transaction(beginComparison)

  const state = () => store.db.selectFrom('mailbox_states').selectAll().executeTakeFirstOrThrow()
  const work = await store.db.selectFrom('mailboxes').select('id').where('name', '=', 'Work').executeTakeFirstOrThrow()
  // One after the other, each after the first step to which it applies. The first one makes another comparison follow.
  const changes: { after(at: Awaited<ReturnType<typeof state>>): boolean; change(): Promise<unknown> }[] = [
    {
      // One entry is compared, others are not.
      after: ({ compare_phase, compared_id, compared_number }) =>
        compare_phase === 'entries' && compared_id === work.id && compared_number > 0,
      change: () =>
        store.transaction(async (tx) => {
          await tx.deleteFrom('mailbox_entries').where('mailbox_id', '=', work.id).execute()
          await mailboxesTable.remove(tx, work.id)
          await beginComparison(tx)
        }),
    },
    {
      after: ({ compare_phase, compared_number }) => compare_phase === 'messages' && compared_number > 0,
      change: async () => {
        await relabel([ids[0]!, ids[5]!], { add: ['play'] })
        await relabel([ids[4]!], { add: ['trash'], remove: ['play'] })
      },
    },
    {
      after: ({ compare_phase, compared_id }) => compare_phase === 'drafts' && compared_id !== '',
      change: async () => {
        const update = (id: string, subject: string) => other.drafts.update(actor, inboxId, id, { subject }, MEMORY)
        await update(drafts[0]!, '6')
        await update(drafts[5]!, '7')
        await other.drafts.delete(actor, inboxId, drafts[1]!)
        await other.drafts.delete(actor, inboxId, drafts[4]!)
        await write('8')
      },
    },
  ]
  const limits = withLimits({ access: { failedLoginDelayMs: 0 }, mailboxes: { compareMessages: 2 } })
  const interrupted: Store = Object.create(store, {
    transaction: {
      value: async (run: Parameters<Store['transaction']>[0]) => {
        const result = await store.transaction(run)
        const at = await state()
        if (at.compare_seq !== null && changes[0]?.after(at)) await changes.shift()!.change()
        return result
      },
    },
  })
  const node = await startNode(interrupted, limits)
  onTestFinished(() => node.feed.stop())
  const compared = await world.logIn(undefined, node)
  const shownBy = async (from: MailAccount) =>
    Promise.all(
      [...before.keys()].map(async (name) => {
        const { uids, flags, modseqs } = (await from.open(name)).latest()
        return { name, uids: Array.from(uids), flags, modseqs: Array.from(modseqs) }
      }),
    )
  const shownHere = await shownBy(compared)
  expect(changes).toEqual([])
  const fresh = await startNode(store, limits)
  onTestFinished(() => fresh.feed.stop())
  expect(await shownBy(await world.logIn(undefined, fresh))).toEqual(shownHere)
  const wanted = await expected(world)
  for (const { name, uids, flags } of shownHere) {
    const vanished = await (await compared.open(name)).vanishedSince(before.get(name)!.highestModseq, [
      { first: 1, last: before.get(name)!.uidNext - 1 },
    ])
    const isIn = (uid: number) => vanished.some(({ first, last }) => first <= uid && uid <= last)
    const old = Array.from(before.get(name)!.uids)
    expect(old.filter(isIn), name).toEqual(old.filter((uid) => !uids.includes(uid)))
    if (name !== 'Drafts') expect(flags.map((set) => set.join(' ')).toSorted(), name).toEqual(wanted.get(name))
  }
  await session.follow()
  expect([...session.believed.keys()]).toEqual(shownHere[1]!.uids)
  // The comparison found 7 and 8; 6 was behind it, and followed with its event.
  expect(await subjectsOf(session.mailbox)).toEqual(['2', '3', '7', '8', '6'])
})

test('events that name more messages than a statement has parameters are followed', async () => {
  await using world = await startMailboxes()
  const id = await world.receive()
  const account = await world.logIn()
  const inbox = await account.open('INBOX')
  expect(inbox.latest().uids).toHaveLength(1)
  await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['flagged'] })
  await world.store.transaction(async (tx) => {
    const scope = (await inboxes.getById(tx, world.inboxId))!
    const ids = Array.from({ length: 40_000 }, (_, index) => `gone ${index}`)
    tx.append(messagesRemoved(scope, [...ids, id]))
  })
  await inbox.refresh()
  expect(inbox.latest().uids).toHaveLength(0)
})

test('a message that expires leaves its mailbox', async () => {
  await using world = await startMailboxes()
  await world.receive()
  const account = await world.logIn()
  const inbox = await account.open('INBOX')
  expect(inbox.latest().uids).toHaveLength(1)
  const { store, node } = world
  const clock = () => Date.now() + 2 * 86_400_000
  const needs = { store, config: { retentionDays: 1 }, removal: node.removal, discardBlobs: node.discardBlobs }
  await expireMessages({ ...needs, clock, limits: withLimits({}) }, new AbortController().signal)
  await inbox.refresh()
  expect(inbox.latest().uids).toHaveLength(0)
})
