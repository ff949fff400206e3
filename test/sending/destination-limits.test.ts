/** Tests which recipients one pass over the queue claims when the limits are low and there are many destinations. */

import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createGuarded } from '../../src/mail/jobs/guarded.ts'
import {
  type ClaimedRecipients,
  createDestinationLimits,
  type Destination,
} from '../../src/mail/sending/queue/destination-limits.ts'
import { createMetrics } from '../../src/metrics.ts'
import { insertRecipients } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'

interface Settings {
  readonly destination?: number
  readonly all?: number
  readonly local?: number
  readonly page?: number
  readonly destinationOf?: (domain: string) => Partial<Destination>
}

function lanesOf(
  store: TestStore,
  { destination = 1, all = 100, local = 64, page = 100, destinationOf = () => ({}) }: Settings,
) {
  const destinationLimits = createDestinationLimits({
    ...{ store, owner: 'process', clock: Date.now },
    guarded: createGuarded('queue', { log: createLog('silent'), metrics: createMetrics() }),
    destinationOf: async (domain) => ({
      name: domain,
      isLocal: false,
      concurrencyMax: destination,
      ...destinationOf(domain),
    }),
    limits: withLimits({
      delivery: {
        ...{ leaseMs: 60_000, recipientsMax: 100 },
        ...{ concurrencyMax: all, localConcurrencyMax: local, flowsPerPollMax: page },
      },
    }),
  })
  /** Claims and begins deliveries until the pass is over. */
  async function claimAll(): Promise<ClaimedRecipients[]> {
    const claimed: ClaimedRecipients[] = []
    for (let isMore = true; isMore; ) {
      const found = await destinationLimits.claim({ interruptionsBelow: 3, setAsideFrom: 3 })
      for (const { destination, flow, rows } of found.claimed) {
        for (const _mail of rows) destinationLimits.began(destination, flow)
      }
      claimed.push(...found.claimed)
      isMore = found.isMore
    }
    return claimed
  }
  return {
    ...destinationLimits,
    claimAll,
    /** Does the same, and returns the domains with their numbers of deliveries. */
    async poll() {
      return (await claimAll()).map(({ rows }) => `${rows[0]!.domain} ${rows.length}`)
    },
  }
}

/** Queues messages with one recipient each. */
async function queue(store: TestStore, domain: string, messages = 1, podId = 'pod'): Promise<void> {
  for (let count = 0; count < messages; count++)
    await store.transaction((tx) => insertRecipients(tx, [1], domain, podId))
}

const outside = (name: string): Destination => ({ name, isLocal: false, concurrencyMax: 1 })
const senderIn = (podId: string) => ({ organizationId: 'organization', podId })
const sender = senderIn('pod')

test('a destination at its limit is skipped, and the others are claimed', async () => {
  await using store = await openTestStore()
  await queue(store, 'a.test', 3)
  await queue(store, 'b.test')
  const destinationLimits = lanesOf(store, {})
  expect(await destinationLimits.poll()).toEqual(['a.test 1', 'b.test 1'])
  expect(await destinationLimits.poll()).toEqual([])
  destinationLimits.ended(outside('a.test'), sender)
  expect(await destinationLimits.poll()).toEqual(['a.test 1'])
})

test('only as many recipients are claimed as can start now: a waiting recipient has no lease', async () => {
  await using store = await openTestStore()
  await queue(store, 'a.test', 10)
  const destinationLimits = lanesOf(store, { destination: 3 })
  expect(await destinationLimits.poll()).toEqual(['a.test 3'])
  const leased = await store.db.selectFrom('recipients').select('id').where('lease_owner', 'is not', null).execute()
  expect(leased).toHaveLength(3)
})

test('the polls pause while more is due than may begin', async () => {
  await using store = await openTestStore()
  const destinationLimits = lanesOf(store, { destination: 2, page: 1 })
  const rotation = async () => {
    for (;;) {
      const { claimed, isMore, pauseMs } = await destinationLimits.claim({ interruptionsBelow: 3, setAsideFrom: 3 })
      for (const { destination, flow } of claimed) destinationLimits.began(destination, flow)
      if (!isMore) return pauseMs > 0
    }
  }
  await queue(store, 'a.test')
  await queue(store, 'b.test')
  expect(await rotation()).toBe(false)
  await queue(store, 'a.test', 2)
  await queue(store, 'c.test')
  expect(await rotation()).toBe(true)
  expect(await rotation()).toBe(true)
  await store.transaction((tx) => tx.deleteFrom('recipients').where('lease_owner', 'is', null).execute())
  expect(await rotation()).toBe(false)
})

test('when only one delivery can run, the destinations alternate', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'b.test', 'c.test']) await queue(store, domain, 3)
  const destinationLimits = lanesOf(store, { all: 1 })
  const turns: string[] = []
  for (let turn = 0; turn < 6; turn++) {
    const [begun] = await destinationLimits.poll()
    const domain = begun!.split(' ')[0]!
    turns.push(domain)
    destinationLimits.ended(outside(domain), sender)
  }
  expect(turns).toEqual(['a.test', 'b.test', 'c.test', 'a.test', 'b.test', 'c.test'])
})

test('domains that share a destination alternate too', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'b.test']) await queue(store, domain, 2)
  const destinationLimits = lanesOf(store, { destinationOf: () => ({ name: 'relay' }) })
  const turns: string[][] = []
  for (let turn = 0; turn < 3; turn++) {
    turns.push(await destinationLimits.poll())
    destinationLimits.ended(outside('relay'), sender)
  }
  expect(turns).toEqual([['a.test 1'], ['b.test 1'], ['a.test 1']])
})

test('deliveries to local inboxes are claimed however many outgoing ones wait, wherever their domain is in the order', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'b.test', 'c.test', 'd.test', 'z.test']) await queue(store, domain, 3)
  await queue(store, 'm.test', 4)
  const destinationOf = (domain: string) =>
    domain === 'm.test' ? { name: 'local', isLocal: true, concurrencyMax: 2 } : {}
  const destinationLimits = lanesOf(store, { all: 1, page: 2, destinationOf })
  expect(await destinationLimits.poll()).toEqual(['a.test 1', 'm.test 2'])
  destinationLimits.ended({ name: 'local', isLocal: true, concurrencyMax: 2 }, sender)
  expect(await destinationLimits.poll()).toEqual(['m.test 1'])
})

test('a pass that starts in the middle of the order continues at its beginning', async () => {
  await using store = await openTestStore()
  const destinationOf = (domain: string) => (domain === 'a.test' ? { name: 'local', isLocal: true } : {})
  for (const domain of ['b.test', 'c.test']) await queue(store, domain)
  const destinationLimits = lanesOf(store, { all: 1, destinationOf })
  expect(await destinationLimits.poll()).toEqual(['b.test 1']) // c.test did not fit: the next pass starts there
  await queue(store, 'a.test')
  expect(await destinationLimits.poll()).toEqual(['a.test 1'])
})

test('deliveries to local inboxes do not count towards the limit of outgoing ones', async () => {
  await using store = await openTestStore()
  const destinationOf = (domain: string) => (domain === 'a.test' ? { name: 'local', isLocal: true } : {})
  await queue(store, 'a.test')
  const destinationLimits = lanesOf(store, { all: 1, destinationOf })
  expect(await destinationLimits.poll()).toEqual(['a.test 1'])
  await queue(store, 'b.test')
  expect(await destinationLimits.poll()).toEqual(['b.test 1'])
})

test('a pod with many destinations uses half of the deliveries, and another pod those that are free', async () => {
  await using store = await openTestStore()
  for (const domain of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) await queue(store, `${domain}.test`, 1, 'slow')
  const destinationLimits = lanesOf(store, { all: 8, page: 2 })
  expect(await destinationLimits.poll()).toEqual(['a.test 1', 'b.test 1', 'c.test 1', 'd.test 1'])
  await queue(store, 'z.test', 1, 'fine')
  expect(await destinationLimits.poll()).toEqual(['z.test 1'])
  destinationLimits.ended(outside('a.test'), senderIn('slow'))
  expect(await destinationLimits.poll()).toEqual(['e.test 1'])
})

test('deliveries to local inboxes are divided among pods in the same way', async () => {
  await using store = await openTestStore()
  await queue(store, 'local.test', 9, 'many')
  const destinationOf = () => ({ name: 'local', isLocal: true, concurrencyMax: 8 })
  const destinationLimits = lanesOf(store, { local: 8, destinationOf })
  expect(await destinationLimits.poll()).toEqual(['local.test 4'])
  await queue(store, 'local.test', 1, 'one')
  expect(await destinationLimits.poll()).toEqual(['local.test 1'])
})

test('pods that send to the same domain alternate', async () => {
  await using store = await openTestStore()
  for (const podId of ['one', 'two', 'three']) await queue(store, 'a.test', 2, podId)
  const destinationLimits = lanesOf(store, {})
  const turns: string[] = []
  for (let turn = 0; turn < 6; turn++) {
    const claimed = await destinationLimits.claimAll()
    turns.push(...claimed.map(({ flow }) => flow.podId))
    destinationLimits.ended(outside('a.test'), claimed[0]!.flow)
  }
  expect(new Set(turns.slice(0, 3))).toEqual(new Set(['one', 'two', 'three']))
  expect(turns.slice(3).toSorted()).toEqual(['one', 'three', 'two'])
})

// A rotation that always began at the slow pod's first waiting domain would reach the last domains of the others never.
test('the domains of a pod alternate while another pod waits for slow ones', async () => {
  await using store = await openTestStore()
  for (const domain of ['a.test', 'b.test', 'c.test', 'd.test']) await queue(store, domain, 1, 'slow')
  const destinationLimits = lanesOf(store, { all: 4 })
  expect(await destinationLimits.poll()).toEqual(['a.test 1', 'b.test 1'])
  for (const domain of ['v.test', 'w.test', 'x.test', 'y.test']) await queue(store, domain, 3, 'fine')
  const turns: string[] = []
  for (let turn = 0; turn < 8; turn++) {
    const begun = await destinationLimits.poll()
    turns.push(...begun)
    for (const each of begun) destinationLimits.ended(outside(each.split(' ')[0]!), senderIn('fine'))
  }
  expect(new Set(turns)).toEqual(new Set(['v.test 1', 'w.test 1', 'x.test 1', 'y.test 1']))
})

test('all domains are claimed even if one page cannot hold them', async () => {
  await using store = await openTestStore()
  const domains = Array.from({ length: 7 }, (_, index) => `${index}.test`)
  for (const domain of domains) await queue(store, domain)
  const destinationLimits = lanesOf(store, { page: 2 })
  expect((await destinationLimits.poll()).sort()).toEqual(domains.map((domain) => `${domain} 1`))
})

test('each claim has its own lease owner', async () => {
  await using store = await openTestStore()
  await queue(store, 'a.test', 2)
  const destinationLimits = lanesOf(store, {})
  const owners = [
    await destinationLimits.claim({ interruptionsBelow: 3, setAsideFrom: 3 }),
    await destinationLimits.claim({ interruptionsBelow: 3, setAsideFrom: 3 }),
  ].flatMap(({ claimed }) => claimed.map(({ owner }) => owner))
  expect(owners).toEqual(['process/1', 'process/2'])
})
