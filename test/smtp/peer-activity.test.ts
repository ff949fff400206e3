/** Tests what counts as progress of an SMTP peer, and how long it may be idle. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { PeerActivity } from '../../src/edges/smtp/protocol/peer-activity.ts'

const limits = withLimits({ smtp: { progressBytes: 1_000, idleMs: 300_000, idleBeforeMailMs: 60_000 } })

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const mailBegan = (peer: PeerActivity) => peer.mailBegan()
const messageAccepted = (peer: PeerActivity) => peer.messageAccepted()
const received = (sizeBytes: number) => (peer: PeerActivity) => peer.received(sizeBytes)

test.each<
  [what: string, isProgress: boolean, before: ((peer: PeerActivity) => void)[], last: (peer: PeerActivity) => void]
>([
  ['the first MAIL', true, [], mailBegan],
  ['a second MAIL without a message in between', false, [mailBegan], mailBegan],
  ['an accepted message', true, [mailBegan], messageAccepted],
  ['the first MAIL after an accepted message', true, [mailBegan, messageAccepted], mailBegan],
  ['the second MAIL after an accepted message', false, [mailBegan, messageAccepted, mailBegan], mailBegan],
  ['too few bytes', false, [], received(999)],
  ['enough bytes', true, [], received(1_000)],
  ['enough bytes in several parts', true, [received(999)], received(1)],
  ['few bytes after progress', false, [received(999), received(1)], received(999)],
  ['a command', false, [], (peer) => peer.commandReceived()],
])('%s: progress %s', (_what, isProgress, before, last) => {
  const peer = new PeerActivity(limits)
  for (const each of before) each(peer)
  const [began, progressed] = [performance.now(), peer.progressedAtMs]
  vi.advanceTimersByTime(5_000)
  last(peer)
  expect(peer.progressedAtMs).toBe(isProgress ? began + 5_000 : progressed)
})

test('a peer may be idle for longer once it has begun a message', () => {
  const peer = new PeerActivity(limits)
  expect(peer.idleTimeoutMs).toBe(60_000)
  peer.mailBegan()
  expect(peer.idleTimeoutMs).toBe(300_000)
})
