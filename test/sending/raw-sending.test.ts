/** Tests what a mail program's submission says about the draft that it sends. Whole submissions are in test/submission/. */
import { expect, test } from 'vitest'
import { createEventLoop } from '../../src/event-loop.ts'
import type { PrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import type { FileSent } from '../../src/mail/sending/compose/file-sent.ts'
import { createIdempotency } from '../../src/mail/sending/idempotency/idempotency.ts'
import { createRawSending } from '../../src/mail/sending/raw/raw-sending.ts'
import * as drafts from '../../src/store/tables/drafts-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { draftOf } from './draft-row.ts'

const SENT = { id: '1', messageId: '<1@mail.test>', threadId: 't', inboxId: 'inbox' }

// It had the address from the beginning of the submission, beside a message.sent with the new one.
test('the event of a draft that a mail program sends has the address that its inbox has at the commit', async () => {
  await using world = await FeedWorld.open()
  const { store, limits } = world
  const tenant = await world.addInbox()
  const actor = await world.addKey(tenant)
  const row = draftOf(tenant, { id: '018f0000-0000-7000-8000-000000000001' })
  await store.transaction((tx) => drafts.insert(tx, row))
  const inbox = (await inboxes.getById(store.db, tenant.inboxId))!
  const fileSent: FileSent = async (_actor, { first, last }) => {
    await store.transaction(async (tx) => {
      await inboxes.setAddress(tx, inbox.id, 'renamed@x.test')
      const locked = await inboxes.lockById(tx, inbox.id)
      await first?.(tx)
      await last?.(tx, SENT, locked!)
    })
    return SENT
  }
  const content = {
    checked: { header: { author: inbox.address, senders: [], subject: '', draftId: row.id, hasUtf8: false } },
    parsed: { inReplyTo: [], references: [] },
  }
  const { send } = createRawSending({
    ...{ store, fileSent, config: { messageBytesMax: 1, limits }, eventLoop: createEventLoop(limits) },
    ...{ idempotency: createIdempotency({ store, limits }), signRaw: undefined! },
    prepareContent: (async () => content) as unknown as PrepareContent,
  })
  const mail = { recipients: ['bob@example.test'], isSmtpUtf8: false, raw: undefined! }
  expect(await send({ actor, inbox, address: inbox.address }, mail)).toEqual(SENT)
  const logged = await store.db.selectFrom('events').select(['type', 'payload']).execute()
  expect(logged.map(({ type, payload }) => ({ type, ...JSON.parse(payload) }))).toMatchObject([
    { type: 'draft.sent', draftId: row.id, inboxAddress: 'renamed@x.test' },
  ])
})
