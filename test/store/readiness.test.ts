/** Tests what `/readyz` asks the store: whether it works, without waiting for the transactions of others. */
import { expect, test } from 'vitest'
import { failingDisk } from '../support/failing-disk.ts'
import { notSupported } from '../support/test-database.ts'
import { deferred, openTestStore, rejection } from './test-store.ts'

const HOUR_MS = 3_600_000

// A busy server seemed to be a broken one: /readyz wrote a row, behind the writes of everyone else.
test('a store whose last commit is recent is ready at once, although a long transaction runs; an older one has to write', async () => {
  await using store = await openTestStore({ limits: { store: { readyCommitMs: HOUR_MS, transactionMs: HOUR_MS } } })
  await using strict = await openTestStore({ limits: { store: { readyCommitMs: 0, transactionMs: HOUR_MS } } })
  const mayEnd = deferred()
  const ended: string[] = []
  const running = [store, strict].map((each) => each.transaction(() => mayEnd.promise))
  await store.requireReady()
  const written = strict.requireReady().then(() => ended.push('ready'))
  await strict.db.selectFrom('event_log').select('epoch').execute()
  ended.push('transaction')
  mayEnd.resolve()
  await Promise.all([...running, written])
  expect(ended).toEqual(['transaction', 'ready'])
})

notSupported('postgres', 'its server writes the files')(
  'after a failed commit, earlier ones prove nothing: the store is ready again when it can write',
  async () => {
    using disk = failingDisk()
    await using store = await openTestStore({ limits: { store: { readyCommitMs: HOUR_MS } } })
    await store.requireReady()
    disk.failEvery = 1
    await store.requireReady() // nobody has noticed yet
    expect(await rejection(store.probe())).toMatchObject({ code: 'unavailable' })
    expect(await rejection(store.requireReady())).toMatchObject({ code: 'unavailable' })
    disk.failEvery = undefined
    await store.requireReady()
  },
)
