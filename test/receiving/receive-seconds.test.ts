/** Tests what `martlet_receive_seconds` measures. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import { createReceiving } from '../../src/mail/receiving/receiving.ts'
import { createRecipientInboxes } from '../../src/mail/receiving/recipient-inboxes.ts'
import { createMetrics } from '../../src/metrics.ts'
import { openTestStore } from '../store/test-store.ts'

// It began with DATA, so that it showed the speed of the sender instead of that of this server.
test('the time to receive a message begins when its last byte has arrived', async () => {
  await using store = await openTestStore()
  const steps: string[] = []
  const metrics = createMetrics()
  metrics.receiveSeconds.startTimer = () => {
    steps.push('timer starts')
    return () => 0
  }
  const receiving = createReceiving({
    store,
    config: {
      domain: 'mail.example',
      messageBytesMax: 1_000,
      pausedInboxes: 'defer',
      inboxBytesMax: 0,
      inboxMessagesMax: 0,
      limits: withLimits({}),
    },
    async prepareContent({ raw, onArrived, check }) {
      if (!Buffer.isBuffer(raw)) for await (const _chunk of raw.chunks) steps.push('bytes arrive')
      onArrived?.(13)
      await check?.({
        sizeBytes: 0,
        file: undefined,
        load: async () => ({ bytes: Buffer.alloc(0), isOwned: true }),
        chunks: () => Readable.from([]),
      })
      throw new Error('the test ends here')
    },
    fileReceived: async () => [],
    recordComplaint: async () => undefined,
    inboxes: createRecipientInboxes({ store, domain: 'mail.example' }),
    rates: { refusalOf: () => undefined, countInboxes: () => undefined },
    refusals: { record: () => undefined },
    messageChecks: {
      begin() {
        const sender = { authentication: { result: 'trusted' as const }, owners: new Set<string | null>() }
        return { head: Buffer.alloc(0), check: async () => ({ checked: { sender, decision: { labels: [] } } }) }
      },
    },
    log: createLog('silent'),
    metrics,
    eventLoop: createEventLoop(withLimits({})),
  })
  const received = receiving.receive(
    { protocol: 'ESMTP', traceId: 'test' },
    { sender: '', recipients: ['ada@mail.example'] },
    (async function* () {
      yield Buffer.from('Subject: a\r\n\r\n')
    })(),
  )
  await expect(received).rejects.toThrow('the test ends here')
  expect(steps).toEqual(['bytes arrive', 'timer starts'])
})
