/** Tests that a draft is sent only by a call whose lease still is the latest one. */
import { expect, test } from 'vitest'
import type { Submit } from '../../src/mail/sending/compose/submit.ts'
import { UNSCHEDULED } from '../../src/mail/sending/drafts/draft-schedule.ts'
import { createSendDraft } from '../../src/mail/sending/drafts/send-draft.ts'
import type { DraftRow } from '../../src/store/schema/draft-rows.ts'
import * as drafts from '../../src/store/tables/drafts-table.ts'
import { FeedWorld, type TestInbox } from '../events/feed-world.ts'

const SENT = { id: '1', messageId: '<1@mail.test>', threadId: 't' }

test('a call whose lease another one has taken over does not send the draft', async () => {
  await using world = await FeedWorld.open()
  const { store, limits } = world
  const inbox = await world.addInbox()
  const actor = await world.addKey(inbox)
  const row = draftOf(inbox)
  await store.transaction((tx) => drafts.insert(tx, row))
  let sent = 0
  const submit: Submit = async (_actor, { first }) => {
    await store.transaction(async (tx) => first?.(tx))
    sent += 1
    return SENT
  }
  const { sendClaimed } = createSendDraft({
    ...{ store, submit, limits, clock: world.time.clock, newOwner: () => 'new' },
    draftParts: { read: async () => ({ attachments: [] }), prepare: notUsed },
    ...{ idempotency: undefined!, sources: undefined! },
  })
  const memory = { freeBytes: 1_000, reserve: notUsed, nextTurn: notUsed }

  await expect(sendClaimed(actor, { row, owner: 'late' }, memory)).rejects.toMatchObject({ code: 'draft_changed' })
  expect(sent).toBe(0)
  expect(await drafts.listByIds(store.db, [row.id], store.leaseNow())).toMatchObject([{ lease_owner: 'heir' }])

  expect(await sendClaimed(actor, { row, owner: 'heir' }, memory)).toEqual(SENT)
  expect(await drafts.listByIds(store.db, [row.id], store.leaseNow())).toEqual([])
})

function draftOf({ organizationId, podId, inboxId }: TestInbox): DraftRow {
  return {
    ...{ id: 'draft', organization_id: organizationId, pod_id: podId, inbox_id: inboxId, client_id: null },
    ...{ kind: 'new', source_id: null, source_message_id: null, thread_id: null },
    ...{ in_reply_to: null, references_list: null, subject: 'hello', preview: null },
    ...{ to_list: '[{"address":"bob@example.test"}]', cc_list: '[]', bcc_list: '[]', reply_to_list: '[]' },
    ...{ revision_id: 'revision', size_bytes: 1, ...UNSCHEDULED, created_by: 'system:test' },
    ...{ lease_owner: 'heir', lease_until: Number.MAX_SAFE_INTEGER, created_at: 0, updated_at: 0 },
  }
}

async function notUsed(): Promise<never> {
  throw new Error('this draft has no parts')
}
