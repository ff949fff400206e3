/** Tests when a recipient with a temporary failure is retried. The worker's tests shorten all waits, so they cannot see them. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createRecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import { retryDelayMs } from '../../src/mail/sending/queue/delivery-retry.ts'
import { OWNER, sendMail } from './sent-mail.ts'

const MINUTE = 60_000
const limits = withLimits({ delivery: { retryFirstMs: MINUTE, retryMsMax: 100 * MINUTE } })

test.each([
  [1, 1],
  [2, 5],
  [3, 15],
  [4, 30],
  [5, 60],
  [6, 100], // twice 60 is longer than the limit
  [7, 100],
  [5_000, 100], // 15 * 2 ** 4,997 is infinite
])('after attempt %i, the next one is due in %i minutes, give or take a fifth', (attempts, minutes) => {
  expect(retryDelayMs(attempts, 0.5, limits)).toBe(minutes * MINUTE)
  expect(retryDelayMs(attempts, 0, limits)).toBe(0.8 * minutes * MINUTE)
  expect(retryDelayMs(attempts, 1, limits)).toBe(1.2 * minutes * MINUTE)
})

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
