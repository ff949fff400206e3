/** Tests that a draft is sent only by a call whose lease still is the latest one, and what its event says. */
import { expect, test } from 'vitest'
import type { Submit } from '../../src/mail/sending/compose/submit.ts'
import { createSendDraft } from '../../src/mail/sending/drafts/send-draft.ts'
import * as drafts from '../../src/store/tables/drafts-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { draftOf } from './draft-row.ts'

const SENT = { id: '1', messageId: '<1@mail.test>', threadId: 't', inboxId: 'inbox' }
const memory = { freeBytes: 1_000, reserve: notUsed, nextTurn: notUsed }

/** A world with a draft under a lease of "heir". */
async function openWithDraft(world: FeedWorld, submit: Submit) {
  const { store, limits } = world
  const inbox = await world.addInbox()
  const row = draftOf(inbox, { lease_owner: 'heir', lease_until: Number.MAX_SAFE_INTEGER })
  await store.transaction((tx) => drafts.insert(tx, row))
  const { sendClaimed } = createSendDraft({
    ...{ store, submit, limits, clock: world.time.clock, newOwner: () => 'new' },
    draftParts: { read: async () => ({ attachments: [] }), prepare: notUsed },
    ...{ idempotency: undefined!, sources: undefined! },
  })
  return { inbox, row, actor: await world.addKey(inbox), sendClaimed }
}

test('a call whose lease another one has taken over does not send the draft', async () => {
  await using world = await FeedWorld.open()
  const { store } = world
  let sent = 0
  const { row, actor, sendClaimed } = await openWithDraft(world, async (_actor, { first }) => {
    await store.transaction(async (tx) => first?.(tx))
    sent += 1
    return SENT
  })

  await expect(sendClaimed(actor, { row, owner: 'late' }, memory)).rejects.toMatchObject({ code: 'draft_changed' })
  expect(sent).toBe(0)
  expect(await drafts.listByIds(store.db, [row.id], store.leaseNow())).toMatchObject([{ lease_owner: 'heir' }])

  expect(await sendClaimed(actor, { row, owner: 'heir' }, memory)).toEqual(SENT)
  expect(await drafts.listByIds(store.db, [row.id], store.leaseNow())).toEqual([])
})

// It had the address from the beginning of the request, beside a message.sent with the new one.
test('the event of a draft has the address that its inbox has at the commit', async () => {
  await using world = await FeedWorld.open()
  const { store } = world
  const { row, inbox, actor, sendClaimed } = await openWithDraft(
    world,
    async (_actor, { inbox: early, first, last }) => {
      await store.transaction(async (tx) => {
        await inboxes.setAddress(tx, early.id, 'renamed@x.test')
        const locked = await inboxes.lockById(tx, early.id)
        await first?.(tx)
        await last?.(tx, SENT, locked!)
      })
      return SENT
    },
  )
  await sendClaimed(actor, { row, owner: 'heir' }, memory)
  const logged = await store.db.selectFrom('events').select(['type', 'inbox_id', 'payload']).execute()
  expect(logged.map(({ payload, ...event }) => ({ ...event, ...JSON.parse(payload) }))).toMatchObject([
    { type: 'draft.sent', inbox_id: inbox.inboxId, inboxAddress: 'renamed@x.test', apiMessageId: SENT.messageId },
  ])
})

async function notUsed(): Promise<never> {
  throw new Error('this draft has no parts')
}
