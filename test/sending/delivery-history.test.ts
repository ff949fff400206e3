/** Tests what a sender sees of each attempt: which server replied, its reply, and the TLS version. A deleted inbox gets no event. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { recipientStatusList } from '../../src/edges/http/dialects/agentmail/wire/recipient-status-wire.ts'
import { createRecordOutcome, type RecordedOutcomes } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { createRecipientStatuses } from '../../src/mail/sending/queue/recipient-statuses.ts'
import type { Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import type { RecipientRow } from '../../src/store/schema/sending-rows.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { OWNER, type SentMail, sendMail } from './sent-mail.ts'

const remote = { remote: 'mx.example.test [192.0.2.1]:25', tls: 'TLSv1.3 (unverified)' }

const outcomes: readonly (Outcome & { state: string; event: string })[] = [
  { state: 'delivered', event: 'message.delivered', kind: 'delivered', code: 250, reply: 'ok, queued as 7', ...remote },
  {
    ...{ state: 'queued', event: 'message.delayed', kind: 'failed_for_now', code: 451, enhancedCode: '4.7.1' },
    ...{ reply: 'greylisted', ...remote },
  },
  {
    ...{ state: 'bounced', event: 'message.bounced', kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1' },
    ...{ reply: 'no such user', ...remote },
  },
]

/** Ends an attempt for the only recipient. */
async function attempt(mail: SentMail, outcome: Outcome): Promise<{ row: RecipientRow; recorded: RecordedOutcomes }> {
  const { store } = mail
  const notices = { readHead: async () => Buffer.alloc(0), enqueue: async () => undefined }
  const limits = withLimits()
  const record = createRecordOutcome({
    ...{ store, notices, limits, spread: () => 0.5 },
    discardBlobs: async () => undefined,
  })
  const [row] = await mail.claimed()
  const recorded = await record({
    submission: mail.submission,
    recipients: [{ row: row!, outcome }],
    target: 'direct',
    owner: OWNER,
    startedAt: mail.submission.created_at,
  })
  return { row: row!, recorded }
}

test.each(outcomes)('a recipient in state $state shows the reply of the remote server', async (expected) => {
  const { state, event, ...outcome } = expected
  await using mail = await sendMail(['bob@example.test'], { route: 'direct' })
  const { row } = await attempt(mail, outcome)
  expect(await mail.events()).toContain(event)

  const actor = { kind: 'system', name: 'test' } as const
  const shown = await createRecipientStatuses({ store: mail.store, clock: Date.now }).list(
    actor,
    mail.inboxId,
    mail.messageId,
  )
  const { count, deliveries } = JSON.parse(JSON.stringify(recipientStatusList(shown)))
  expect(count).toBe(1)
  expect(deliveries[0]).toMatchObject({
    recipient_id: row.id,
    recipient: 'bob@example.test',
    state,
    route: 'direct',
    last_code: outcome.code,
    last_reply: outcome.reply,
    history: [{ attempt: 1, target: 'direct', outcome: outcome.kind, reply: outcome.reply, ...remote }],
  })
})

// The removal of its messages takes a while: until then, deliveries had events.
test.each(outcomes)(
  'an attempt that ends $state after inbox.deleted is recorded, without an event',
  async (expected) => {
    const { state, event: _event, ...outcome } = expected
    await using mail = await sendMail(['bob@example.test'])
    await mail.store.transaction((tx) => inboxes.update(tx, mail.inboxId, { deleting_at: tx.now }))
    expect((await attempt(mail, outcome)).recorded).toMatchObject({ messageId: undefined, changes: [{ state }] })
    expect(await mail.events()).toEqual([])
  },
)
