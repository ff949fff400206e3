/** Tests local delivery of a message that fails for several recipients. */
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createReportDamage, DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import { createLocalTarget } from '../../src/mail/receiving/local-target.ts'
import type { Receiving } from '../../src/mail/receiving/receiving.ts'

const RECIPIENTS = ['ada@example.test', 'bob@example.test', 'cy@example.test']

/** A target whose `receive` reads the message, and then fails for one recipient. */
function startTarget(failing?: string) {
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log = createLog('error', sink)
  const receiving: Pick<Receiving, 'accepts' | 'rejectionOf' | 'receive'> = {
    accepts: async () => true,
    rejectionOf: async (address) => new MailError('unknown_recipient', { address }),
    async receive(_arrival, { recipients }, raw) {
      for await (const _chunk of raw);
      if (failing && recipients.includes(failing)) throw new DamagedContent('another message, of this inbox')
      return []
    },
  }
  const target = createLocalTarget({ receiving, reportDamage: createReportDamage(log), log })
  const deliver = (read: () => AsyncIterable<Buffer>) =>
    target.deliver(
      {
        ...{ submissionId: 's', organizationId: 'o', contentId: 'c', sender: '', recipients: RECIPIENTS },
        ...{ sizeBytes: 100_000, read },
      },
      new AbortController().signal,
    )
  return { deliver, lines }
}

// It was read and logged once for all recipients, and then once for each of them, in every attempt.
test('a damaged message is read once per attempt, and logged once', async () => {
  const { deliver, lines } = startTarget()
  let reads = 0
  const read = async function* () {
    reads += 1
    yield Buffer.from('Subject: lunch?\r\n')
    throw new DamagedContent('the file of a message is too short')
  }
  for (const attempt of [1, 2]) {
    const outcomes = await deliver(read)
    expect(outcomes.map(({ kind, reply }) => [kind, reply])).toEqual(
      RECIPIENTS.map(() => ['failed_for_now', expect.stringContaining('damaged or lost')]),
    )
    expect(reads).toBe(attempt)
  }
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ contentId: 'c', submission: 's' }])
})

test('an inbox that fails does not fail the others, even if it is damage of its own', async () => {
  const { deliver } = startTarget('bob@example.test')
  const outcomes = await deliver(async function* () {
    yield Buffer.from('Subject: lunch?\r\n')
  })
  expect(outcomes.map(({ kind }) => kind)).toEqual(['delivered', 'failed_for_now', 'delivered'])
})
