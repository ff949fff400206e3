/** Tests for how long an Idempotency-Key, and the client_id of a draft that was sent, are remembered. The sweep does not run here. */
import { expect, onTestFinished, test } from 'vitest'
import { createIdempotency, type KeyUse, recordResult } from '../../src/mail/sending/idempotency/idempotency.ts'
import { findSentDraft, recordSentDraft } from '../../src/mail/sending/idempotency/sent-drafts.ts'
import { FeedWorld } from '../events/feed-world.ts'

const KEPT_MS = 3_600_000
const SENT = { id: '1', messageId: '<1@mail.test>', threadId: 't', inboxId: 'inbox' }
const REQUEST = { text: 'hello' }

test.each([
  ['in its inbox, with another request', 'inbox 1', { text: 'other' }],
  ['in another inbox of its scope', 'inbox 2', REQUEST],
])('an Idempotency-Key can be used again %s once it has expired', async (_where, inboxId, request) => {
  const world = await openWorld()
  const idempotency = createIdempotency(world)
  const send = async (use: Partial<KeyUse>, content: object, id: string) => {
    const keyUse: KeyUse = { key: 'once', form: 'unreserved', inboxId: 'inbox 1', scopeId: 'organization', ...use }
    const sent = await idempotency.once(keyUse, content, async (claim) => {
      await world.store.transaction((tx) => recordResult(tx, claim, { ...SENT, id }))
      return { ...SENT, id }
    })
    return sent.id
  }
  expect(await send({}, REQUEST, 'first')).toBe('first')
  world.time.now += KEPT_MS - 1
  expect(await send({}, REQUEST, 'repeated')).toBe('first')
  await expect(send({ inboxId }, request, 'early')).rejects.toMatchObject({ code: 'idempotency_conflict' })
  world.time.now += 1
  expect(await send({ inboxId }, request, 'second')).toBe('second')
})

test('the client_id of a draft that was sent is found as long as an Idempotency-Key', async () => {
  const world = await openWorld()
  const { store, time, limits } = world
  await store.transaction((tx) => recordSentDraft(tx, { id: 'inbox', organization_id: 'org' }, 'follow-up', SENT))
  const find = (clientId = 'follow-up') =>
    findSentDraft(store.db, { inboxId: 'inbox', clientId, now: time.now }, limits)
  expect(await find('another')).toBeUndefined()
  time.now += KEPT_MS - 1
  expect(await find()).toEqual(SENT)
  time.now += 1
  expect(await find()).toBeUndefined()
})

async function openWorld(): Promise<FeedWorld> {
  const world = await FeedWorld.open({ sending: { idempotencyMs: KEPT_MS } })
  onTestFinished(() => world[Symbol.asyncDispose]())
  return world
}
