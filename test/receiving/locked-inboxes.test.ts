/** Tests received mail that waits for an inbox which another node has locked: it sees what that node has changed meanwhile. */
import { afterEach, expect, vi } from 'vitest'
import { createRecipientInboxes } from '../../src/mail/receiving/recipient-inboxes.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import * as aliases from '../../src/store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as listEntries from '../../src/store/tables/list-entries-table.ts'
import { mailIn, type Tenants } from '../messages/filing-world.ts'
import { holdOpen, isWaiting, openTestStore, type TestStore } from '../store/test-store.ts'
import { countPostgresCalls } from '../support/postgres-calls.ts'
import { notSupported } from '../support/test-database.ts'

const NO_LIMITS = { limits: { store: { lockWaitMs: 600_000, transactionMs: 600_000, turnMs: 60_000 } } }
const SENDER = 'ann@example.test'
const raw = Buffer.from(`From: ${SENDER}\r\nTo: ada@x.test\r\nSubject: s\r\n\r\nhello\r\n`)

afterEach(() => vi.restoreAllMocks())

interface TwoNodes extends AsyncDisposable {
  readonly store: TestStore
  readonly other: TestStore
  readonly mail: ReturnType<typeof mailIn>
  readonly tenants: Tenants
  /** Begins `act` while another node has locked the inbox, and then changes something there. @returns what `act` returns */
  during<Result>(inbox: InboxRow, change: (tx: Tx) => Promise<unknown>, act: () => Promise<Result>): Promise<Result>
}

async function twoNodes(): Promise<TwoNodes> {
  const store = await openTestStore(NO_LIMITS)
  const other = await openTestStore({ ...NO_LIMITS, dataDir: store.dataDir })
  const mail = mailIn(store)
  return {
    ...{ store, other, mail, tenants: await mail.addTenants() },
    async during(inbox, change, act) {
      const locked = await holdOpen(other, async (tx) => {
        await inboxes.lockById(tx, inbox.id)
        await change(tx)
      })
      const result = act()
      await isWaiting(store)
      await locked.commit()
      return result
    },
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

function lockIn(store: TestStore, recipients: readonly string[]) {
  const recipientInboxes = createRecipientInboxes({ store, domain: 'mail.localhost' })
  return store.transaction((tx) => recipientInboxes.lock(tx, recipients, { skipLocked: false }))
}

async function block(tx: Tx, { id, organization_id, pod_id }: InboxRow) {
  const list = { scope_id: id, direction: 'receive' as const, list_type: 'block' as const, entry: SENDER }
  const row = { ...list, organization_id, pod_id, inbox_id: id, read_only: 0 as const, reason: null }
  await listEntries.insertMissing(tx, [{ ...row, created_at: tx.now }])
}

async function addAlias(tx: Tx, address: string, { id, domain_id }: InboxRow) {
  await aliases.insert(tx, { address, inbox_id: id, domain_id, created_at: tx.now })
}

notSupported('sqlite', 'it has one node')('a sender that another node blocks meanwhile is blocked', async () => {
  await using nodes = await twoNodes()
  const { store, mail, tenants } = nodes
  for (const to of [[0], [1, 2]]) {
    const inbox = tenants.inboxes[to[0]!]!
    const receive = () => mail.run(tenants, [{ kind: 'received', raw, to }])
    await nodes.during(inbox, (tx) => block(tx, inbox), receive)
    const labels = await store.db
      .selectFrom('message_labels')
      .innerJoin('messages', 'messages.id', 'message_labels.message_id')
      .select('label')
      .where('messages.inbox_id', '=', inbox.id)
      .execute()
    expect(labels.map(({ label }) => label).sort()).toEqual(['blocked', 'received', 'unread'])
  }
})

notSupported('sqlite', 'it has one node')(
  'mail for a domain that another node deletes meanwhile, or that lost its name, is refused',
  async () => {
    await using nodes = await twoNodes()
    const { mail, tenants } = nodes
    const changes = [(tx: Tx) => ({ deleting_at: tx.now, holds_name: 0 }), () => ({ holds_name: 0 })]
    for (const [index, change] of changes.entries()) {
      const inbox = tenants.inboxes[index]!
      const receive = () => mail.run(tenants, [{ kind: 'received', raw, to: [index] }])
      const results = await nodes.during(inbox, (tx) => domains.update(tx, inbox.domain_id, change(tx)), receive)
      expect(results).toEqual(['unknown_recipient'])
    }
  },
)

notSupported('sqlite', 'it has one node')(
  'mail for an alias, or for a catch-all, is filed where the address belongs after the wait',
  async () => {
    await using nodes = await twoNodes()
    const { store, tenants } = nodes
    const [ada, bob] = tenants.inboxes as [InboxRow, InboxRow]
    const domain = ada.address.split('@')[1]!
    const [moved, removed, blocked, caught] = ['moved', 'removed', 'blocked', 'caught'].map(
      (name) => `${name}@${domain}`,
    )
    await store.transaction(async (tx) => {
      await tx.updateTable('inboxes').set(ownerOf(ada)).where('id', '=', bob.id).execute()
      for (const address of [moved!, removed!, blocked!]) await addAlias(tx, address, ada)
    })
    const lock = async (address: string) => (await lockIn(store, [address])).get(address)
    const isMoved = await nodes.during(
      ada,
      async (tx) => {
        await aliases.remove(tx, { inbox_id: ada.id, address: moved! })
        await addAlias(tx, moved!, { ...bob, domain_id: ada.domain_id })
      },
      () => lock(moved!),
    )
    expect(isMoved?.id).toBe(bob.id)
    const remove = (tx: Tx) => aliases.remove(tx, { inbox_id: ada.id, address: removed! })
    expect(await nodes.during(ada, remove, () => lock(removed!))).toBeUndefined()
    expect(
      await nodes.during(
        ada,
        (tx) => block(tx, ada),
        () => lock(blocked!),
      ),
    ).toMatchObject({
      ...{ id: ada.id, has_inbound_lists: 1 },
    })
    const catchAll = (inbox: InboxRow) => (tx: Tx) =>
      domains.update(tx, ada.domain_id, { catch_all_inbox_id: inbox.id })
    await store.transaction(catchAll(ada))
    expect((await nodes.during(ada, catchAll(bob), () => lock(caught!)))?.id).toBe(bob.id)
  },
)

// Nothing waits then, so the message was filed in the inbox that had the address before.
notSupported('sqlite', 'it has one node')(
  'mail for an alias, or for a catch-all, that another node moves before its inbox is locked is filed where the address belongs now',
  async () => {
    await using nodes = await twoNodes()
    const { store, other, tenants } = nodes
    const [ada, bob] = tenants.inboxes as [InboxRow, InboxRow]
    const domain = ada.address.split('@')[1]!
    const [alias, caught] = [`alias@${domain}`, `caught@${domain}`]
    const catchAll = (tx: Tx, { id }: InboxRow) => domains.update(tx, ada.domain_id, { catch_all_inbox_id: id })
    await store.transaction(async (tx) => {
      await tx.updateTable('inboxes').set(ownerOf(ada)).where('id', '=', bob.id).execute()
      await addAlias(tx, alias, ada)
      await catchAll(tx, ada)
    })
    const moves: [string, (tx: Tx, from: InboxRow, to: InboxRow) => Promise<unknown>][] = [
      [caught, (tx, _from, to) => catchAll(tx, to)],
      [
        alias,
        async (tx, from, to) => {
          await aliases.remove(tx, { inbox_id: from.id, address: alias })
          await addAlias(tx, alias, { ...to, domain_id: ada.domain_id })
        },
      ],
    ]
    const recipientInboxes = createRecipientInboxes({ store, domain: 'mail.localhost' })
    for (const [address, move] of moves) {
      for (const skipLocked of [true, false]) {
        const [from, to] = skipLocked ? [ada, bob] : [bob, ada]
        const locked = await store.transaction(async (tx) => {
          const run = tx.runRows.bind(tx) as (steps: unknown) => Promise<never>
          // The first statement finds no inbox with this address; the second one locks the inbox of the alias.
          vi.spyOn(tx, 'runRows')
            .mockImplementationOnce(run)
            .mockImplementationOnce(async (steps) => {
              await other.transaction((there) => move(there, from, to))
              return run(steps)
            })
          return recipientInboxes.lock(tx, [address], { skipLocked })
        })
        expect(locked.get(address)?.id, `${address} ${skipLocked}`).toBe(to.id)
      }
    }
  },
)

notSupported('sqlite', 'it has one node')('mail that need not wait takes no more round trips', async () => {
  const calls = countPostgresCalls()
  await using nodes = await twoNodes()
  const { store, tenants } = nodes
  const addresses = tenants.inboxes.map(({ address }) => address)
  const recipientInboxes = createRecipientInboxes({ store, domain: 'mail.localhost' })
  const cost = async (recipients: readonly string[]) => {
    await calls.settled()
    return store.transaction(async (tx) => {
      await tx.selectFrom('inboxes').select('id').limit(1).execute()
      calls.take()
      await recipientInboxes.lock(tx, recipients, { skipLocked: false })
      return calls.take()
    })
  }
  expect(await cost(addresses.slice(0, 1))).toEqual({ statements: 1, roundTrips: 1 })
  expect(await cost(addresses)).toEqual({ statements: 2, roundTrips: 1 })
  const [ada] = tenants.inboxes as [InboxRow]
  const alias = `alias@${ada.address.split('@')[1]}`
  await store.transaction((tx) => addAlias(tx, alias, ada))
  expect(await cost([alias])).toEqual({ statements: 4, roundTrips: 4 }) // it is looked up before and after the lock
})

function ownerOf({ organization_id, pod_id }: InboxRow) {
  return { organization_id, pod_id }
}
