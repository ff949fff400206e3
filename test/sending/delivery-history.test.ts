/** Tests what a sender sees of each attempt: which server replied, its reply, and the TLS version. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { recipientStatusList } from '../../src/edges/http/dialects/agentmail/wire/recipient-status-wire.ts'
import { createRecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { createRecipientStatuses } from '../../src/mail/sending/queue/recipient-statuses.ts'
import type { Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import { OWNER, sendMail } from './sent-mail.ts'

const remote = { remote: 'mx.example.test [192.0.2.1]:25', tls: 'TLSv1.3 (unverified)' }

test.each<Outcome & { state: string }>([
  { state: 'delivered', kind: 'delivered', code: 250, reply: 'ok, queued as 7', ...remote },
  { state: 'queued', kind: 'failed_for_now', code: 451, enhancedCode: '4.7.1', reply: 'greylisted', ...remote },
  { state: 'bounced', kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply: 'no such user', ...remote },
])('a recipient in state $state shows the reply of the remote server', async ({ state, ...outcome }) => {
  await using mail = await sendMail(['bob@example.test'], { route: 'direct' })
  const { store } = mail
  const notices = { readHead: async () => Buffer.alloc(0), enqueue: async () => undefined }
  const limits = withLimits()
  const record = createRecordOutcome({
    ...{ store, notices, limits, spread: () => 0.5 },
    discardBlobs: async () => undefined,
  })
  const [row] = await mail.claimed()
  await record({
    submission: mail.submission,
    recipients: [{ row: row!, outcome }],
    target: 'direct',
    owner: OWNER,
    startedAt: mail.submission.created_at,
  })

  const actor = { kind: 'system', name: 'test' } as const
  const shown = await createRecipientStatuses({ store, clock: Date.now }).list(actor, mail.inboxId, mail.messageId)
  const { count, deliveries } = JSON.parse(JSON.stringify(recipientStatusList(shown)))
  expect(count).toBe(1)
  expect(deliveries[0]).toMatchObject({
    recipient_id: row!.id,
    recipient: 'bob@example.test',
    state,
    route: 'direct',
    last_code: outcome.code,
    last_reply: outcome.reply,
    history: [{ attempt: 1, target: 'direct', outcome: outcome.kind, reply: outcome.reply, ...remote }],
  })
})
