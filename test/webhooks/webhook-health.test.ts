/**
 * Tests that a failure counts only for the URL that was called. The URL of a webhook may change while a request to the
 * old one runs, or after the row was read: its result says nothing about the new URL.
 */
import { expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/config/limits.ts'
import { recordFailing, recordGone } from '../../src/mail/webhooks/delivery/webhook-health.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { WebhookRow } from '../../src/store/schema/webhook-rows.ts'
import * as webhookTable from '../../src/store/tables/webhooks-table.ts'
import { type HookWorld, openHookWorld } from './hook-world.ts'

const DAY = 86_400_000
const NEW_URL = 'http://127.0.0.1:2/'

type RecordOutcome = (tx: Tx, attempted: WebhookRow, limits: Limits) => Promise<void>

const OUTCOMES: readonly [what: string, RecordOutcome][] = [
  ['a failure', (tx, attempted, limits) => recordFailing(tx, attempted, limits, undefined)],
  ['a counted failure', (tx, attempted, limits) => recordFailing(tx, attempted, limits, 1)],
  ['410', recordGone],
]

test.each(OUTCOMES)('%s of an attempt at an earlier URL does not count for the new one', async (_what, record) => {
  const { world, attempted } = await failingWebhook()
  const { store, limits } = world.feedWorld
  await world.update(attempted.id, { url: NEW_URL }, world.owner)
  const changed = await read(world, attempted.id)
  expect(changed).toMatchObject({ url: NEW_URL, failing_since: null, failures: 0 })

  await store.transaction((tx) => record(tx, attempted, limits))
  expect(await read(world, attempted.id)).toEqual(changed)
})

test.each(OUTCOMES)('%s of an attempt at the present URL counts', async (_what, record) => {
  const { world, attempted } = await failingWebhook()
  const { store, limits } = world.feedWorld
  await store.transaction((tx) => record(tx, attempted, limits))
  expect(await read(world, attempted.id)).toMatchObject({ is_enabled: 0, url: attempted.url })
})

/** Opens a world with a webhook whose requests have failed for almost as long as they may; the next failure disables it. */
async function failingWebhook(): Promise<{ world: HookWorld; attempted: WebhookRow }> {
  const world = await openHookWorld()
  onTestFinished(() => world[Symbol.asyncDispose]())
  const id = await world.add()
  const { store, time, limits } = world.feedWorld
  const since = time.now - limits.webhooks.failingMsMax
  await store.transaction((tx) => webhookTable.update(tx, id, { failing_since: since, failed_at: time.now - DAY / 2 }))
  return { world, attempted: await read(world, id) }
}

async function read({ feedWorld }: HookWorld, id: string): Promise<WebhookRow> {
  return (await webhookTable.getById(feedWorld.store.db, id))!
}
