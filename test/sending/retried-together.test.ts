/** Tests which recipients of a message are retried in one attempt, and so get one copy of it. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createRecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { OWNER, sendMail } from './sent-mail.ts'

const MINUTE = 60_000
const limits = withLimits({ delivery: { retryFirstMs: MINUTE, retryMsMax: 100 * MINUTE } })

// Each recipient got a time of its own: a message to fifty that a server greylisted was sent to it fifty times more.
test.each([
  ['of a message that are greylisted are retried together (RFC 5321 §4.5.4.1)', 0, 451, [48, 48, 48]],
  ['that are deferred for longer are retried one by one', 3, 451, [30 * 60 + 6 * 60, 30 * 60, 30 * 60]],
  ['over a limit of the server are retried one by one', 0, 452, [72, 60, 60]],
  ['of a session that broke are retried one by one', 0, undefined, [72, 60, 60]],
])('recipients %s', async (_which, attempts, code, dueAfterSeconds) => {
  await using mail = await sendMail(['ann@a.test', 'bob@a.test', 'cy@a.test'], { attempts })
  const random = [0, 1]
  const record = createRecordOutcome({
    ...{ store: mail.store, limits, spread: () => random.shift() ?? 0.5 },
    notices: { readHead: async () => Buffer.alloc(0), enqueue: async () => undefined },
    discardBlobs: async () => undefined,
  })
  const rows = await mail.claimed()
  const outcome = { kind: 'failed_for_now' as const, ...(code !== undefined && { code }) }
  await record({
    ...{ submission: mail.submission, target: 'direct', owner: OWNER, startedAt: mail.submission.created_at },
    recipients: rows.map((row) => ({ row, outcome })),
  })
  const dueAfterMs = (await mail.recipients()).map((row) => row.next_attempt_at - mail.submission.created_at)
  expect(dueAfterMs).toEqual(dueAfterSeconds.map((seconds) => seconds * 1_000))
})
