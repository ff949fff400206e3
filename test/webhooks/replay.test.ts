/**
 * Tests that a replay queues each event once, even if it crashes or other nodes work at the same time. The tests use a
 * real store and call the job as the job runner does; nothing is sent.
 */
import { expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createReplayWebhook } from '../../src/mail/webhooks/replay/replay-job.ts'
import { createReplays } from '../../src/mail/webhooks/replay/replays.ts'
import type { Store } from '../../src/store/store.ts'
import { sent } from '../events/feed-world.ts'
import { deferred } from '../store/test-store.ts'
import { type HookWorld, NO_END, openHookWorld, testProfile } from './hook-world.ts'

const start = 1

test('an interrupted replay continues at its position', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 130)
  const abort = new AbortController()
  let bodies = 0
  const render = async (event: { seq: number }) => {
    bodies += 1
    if (bodies === 60) abort.abort(new Error('the server stops'))
    return `body ${event.seq}`
  }
  await expect(runJob(world, id, { render, signal: abort.signal })).rejects.toThrow('the server stops')
  expect(await seqs(world)).toHaveLength(100) // the running batch is finished
  await runJob(world, id, { render })
  expect(await seqs(world)).toEqual(Array.from({ length: 130 }, (_, index) => index + 1))
  expect(bodies).toBe(130)
  await runJob(world, id, { render }) // runs a second time, as after a crash
  expect(bodies).toBe(130)
})

test('a crash between rendering and commit loses only the rendered bodies', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 3)
  const { store } = world.feedWorld
  const dying = {
    ...store,
    transaction: (async (fn) =>
      store.transaction(async (tx) => {
        await fn(tx)
        throw new Error('killed')
      })) as Store['transaction'],
  }
  await expect(runJob(world, id, { store: dying })).rejects.toThrow('killed')
  expect(await seqs(world)).toEqual([])
  await runJob(world, id)
  expect(await seqs(world)).toEqual([1, 2, 3])
})

test('two nodes that run the same job do each batch once', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 120)
  const { store } = world.feedWorld
  await runJob(world, id)
  await store.transaction((tx) =>
    tx.updateTable('webhook_deliveries').set({ state: 'delivered', attempts: 1 }).execute(),
  )
  await requestReplay(world, id)
  // The second one reads the position, and writes only when the first has finished everything.
  const firstHasEnded = deferred()
  const slow = {
    ...store,
    transaction: (async (fn) => {
      await firstHasEnded.promise
      return store.transaction(fn)
    }) as Store['transaction'],
  }
  const second = runJob(world, id, { store: slow })
  await runJob(world, id)
  const markDelivered = () =>
    store.transaction((tx) =>
      tx.updateTable('webhook_deliveries').set({ state: 'delivered' }).where('state', '=', 'pending').execute(),
    )
  await markDelivered()
  firstHasEnded.resolve()
  await second
  const rows = await store.db.selectFrom('webhook_deliveries').select('state').execute()
  expect(rows.map(({ state }) => state)).toEqual(Array(120).fill('delivered'))
})

test('disabling the webhook ends a replay, even if it is enabled again, and another can start', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 120)
  const replay = () => requestReplay(world, id)
  await expect(replay()).rejects.toMatchObject({ code: 'replay_running' })
  await world.update(id, { isEnabled: false }, world.owner)
  await world.update(id, { isEnabled: true }, world.owner)
  await runJob(world, id)
  expect(await seqs(world)).toEqual([])
  expect((await replay()).count).toBe(120)
  await runJob(world, id, {
    render: async (event) => {
      if (event.seq === 10) await world.update(id, { isEnabled: false }, world.owner)
      return 'x'
    },
  })
  expect(await seqs(world)).toEqual([])
  expect(await world.feedWorld.store.db.selectFrom('webhook_replays').selectAll().execute()).toEqual([])
})

test('an event without a body is skipped, and a temporary failure is retried', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 4)
  const broken = async () => {
    throw new MailError('unavailable', {})
  }
  await expect(runJob(world, id, { render: broken })).rejects.toMatchObject({ code: 'unavailable' })
  await runJob(world, id, {
    render: async ({ seq }) => {
      if (seq === 2) throw new Error('a bug')
      return seq === 3 ? undefined : 'x'
    },
  })
  expect(await seqs(world)).toEqual([1, 4])
})

test('a delivery that is already due to be sent keeps its time', async () => {
  await using world = await openHookWorld()
  const id = await webhookWithReplay(world, 1)
  await runJob(world, id)
  const { store } = world.feedWorld
  const set = (change: object) =>
    store.transaction((tx) => tx.updateTable('webhook_deliveries').set(change).where('seq', '=', 1).execute())
  await set({ state: 'failed', attempts: 2 })
  await world.update(id, { isEnabled: false }, world.owner)
  await world.feedWorld.append(sent(world.inbox))
  await world.update(id, { isEnabled: true }, world.owner)
  expect((await requestReplay(world, id)).count).toBe(2)
  await runJob(world, id, {
    render: async () => {
      await set({ state: 'pending', attempts_before: 2, next_attempt_at: 9_999_999_999_999 }) // a redelivery
      return 'x'
    },
  })
  const rows = await store.db
    .selectFrom('webhook_deliveries')
    .select(['seq', 'next_attempt_at'])
    .orderBy('seq')
    .execute()
  expect(rows).toEqual([
    { seq: 1, next_attempt_at: 9_999_999_999_999 },
    { seq: 2, next_attempt_at: expect.any(Number) },
  ])
})

test('the size of a batch of bodies is limited', async () => {
  await using world = await openHookWorld({}, { webhooks: { batchBytesMax: 10 } })
  const id = await webhookWithReplay(world, 7)
  let commits = 0
  const { store } = world.feedWorld
  const counted = {
    ...store,
    transaction: ((fn) => {
      commits += 1
      return store.transaction(fn)
    }) as Store['transaction'],
  }
  await runJob(world, id, { store: counted, render: async () => 'six by' })
  expect(await seqs(world)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(commits).toBe(5) // 2, 2, 2, 1 and the end
})

test('a replay has the events from its start on, and none of its end', async () => {
  await using world = await openHookWorld()
  const { store, time, limits } = world.feedWorld
  const first = time.now
  await world.feedWorld.append(sent(world.inbox))
  time.now += 1_000
  await world.feedWorld.append(sent(world.inbox))
  const id = await world.add()
  const replays = createReplays({ store, profileName: testProfile.name, clock: time.clock, limits })
  const countOf = async (after: number, before: number) => {
    const range = { start: first + after, end: first + before, isDryRun: true }
    return (await replays.replay(world.owner, {}, id, range, NO_END)).count
  }
  expect([await countOf(0, 1_000), await countOf(0, 1_001)]).toEqual([1, 2])
  expect([await countOf(1, 1_000), await countOf(1, 1_001)]).toEqual([0, 1])
})

test('the range of a replay is bounded, also if nothing in it matches', async () => {
  await using world = await openHookWorld({}, { webhooks: { replayRowsMax: 3 } })
  const id = await webhookWithReplay(world, 3)
  await runJob(world, id)
  await world.feedWorld.append(sent(await world.feedWorld.addInbox())) // of another tenant
  await expect(requestReplay(world, id)).rejects.toMatchObject({
    code: 'replay_too_wide',
    fix: expect.not.stringContaining('period'),
  })
})

test('a second replay of a webhook is refused before its events are counted', async () => {
  await using world = await openHookWorld({}, { webhooks: { replayEventsMax: 3 } })
  const id = await webhookWithReplay(world, 3)
  await world.feedWorld.append(sent(world.inbox)) // a count would be refused too
  await expect(requestReplay(world, id)).rejects.toMatchObject({ code: 'replay_running' })
})

test.each(['disconnected', 'draining'] as const)('a count that is %s ends, and changes nothing', async (name) => {
  const pauses = { lists: { scanRowsMax: 1 }, events: { searchPauseMs: 60_000 } } // the test is over before
  await using world = await openHookWorld({}, pauses)
  await world.feedWorld.append(sent(world.inbox), sent(world.inbox))
  const id = await world.add()
  const end = { ...NO_END, [name]: AbortSignal.abort() }
  const { store, time, limits } = world.feedWorld
  const replays = createReplays({ store, profileName: testProfile.name, clock: () => time.now + 1, limits })
  await expect(replays.replay(world.owner, {}, id, { start }, end)).rejects.toMatchObject({ code: 'shutting_down' })
  expect(await store.db.selectFrom('webhook_replays').selectAll().execute()).toEqual([])
})

test('counts at the same time are divided among tenants', async () => {
  const slow = { lists: { scanRowsMax: 1 }, events: { searchPauseMs: 20 }, webhooks: { replayCountsMax: 4 } }
  await using world = await openHookWorld({}, slow)
  await world.feedWorld.append(...Array.from({ length: 20 }, () => sent(world.inbox)))
  const id = await world.add()
  const { store, time, limits } = world.feedWorld
  const replays = createReplays({ store, profileName: testProfile.name, clock: () => time.now + 1, limits })
  const { organizationId } = await world.feedWorld.addInbox()
  const other = await world.feedWorld.addKey({ organizationId })
  const idOfOther = await world.add({}, other)
  const request = { start, isDryRun: true }
  const count = () => replays.replay(world.owner, {}, id, request, NO_END)
  const countOfOther = () => replays.replay(other, {}, idOfOther, request, NO_END)
  // Of four places, one organization without pods gets two, and leaves the others.
  const [own, ofOther] = await Promise.allSettled([count(), count(), count(), countOfOther()]).then((all) => [
    all.slice(0, 3).sort((one, another) => one.status.localeCompare(another.status)),
    all[3],
  ])
  expect(own).toMatchObject([
    { status: 'fulfilled', value: { count: 20 } },
    { status: 'fulfilled', value: { count: 20 } },
    { status: 'rejected', reason: { code: 'too_many_at_once' } },
  ])
  expect(ofOther).toMatchObject({ status: 'fulfilled', value: { count: 0 } })
  expect(await count()).toMatchObject({ count: 20 })
})

/** Appends events, then creates a webhook and a replay of them that has not started. Returns the webhook's id. */
async function webhookWithReplay(world: HookWorld, count: number): Promise<string> {
  await world.feedWorld.append(...Array.from({ length: count }, () => sent(world.inbox)))
  const id = await world.add()
  expect((await requestReplay(world, id)).count).toBe(count)
  return id
}

function requestReplay(world: HookWorld, id: string) {
  const { store, time, limits } = world.feedWorld
  return createReplays({ store, profileName: testProfile.name, clock: () => time.now + 1, limits }).replay(
    world.owner,
    {},
    id,
    { start },
    NO_END,
  )
}

async function runJob(
  world: HookWorld,
  key: string,
  {
    render = testProfile.render,
    store = world.feedWorld.store,
    signal = new AbortController().signal,
  }: { render?: typeof testProfile.render; store?: Store; signal?: AbortSignal } = {},
): Promise<void> {
  const job = createReplayWebhook({
    store,
    profiles: [{ ...testProfile, render }],
    signalPending: () => undefined,
    log: createLog('silent'),
    limits: world.feedWorld.limits,
  })
  await job({ kind: '', key, payload: {}, attempt: 1, signal })
}

async function seqs(world: HookWorld): Promise<number[]> {
  const rows = await world.feedWorld.store.db.selectFrom('webhook_deliveries').select('seq').orderBy('seq').execute()
  return rows.map(({ seq }) => seq)
}
