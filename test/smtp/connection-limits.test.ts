/** Peers with addresses that the loopback interface does not have. Tests with sockets are in limits.test.ts. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createConnectionLimits } from '../../src/edges/smtp/protocol/connection-limits.ts'

test('IPv6 peers are counted by /64, and an IPv4-mapped address as its IPv4 address', () => {
  const limits = withLimits({ smtp: { connectionsPerNetworkMax: 1 } })
  const connectionLimits = createConnectionLimits({ limits, clock: () => 0 })
  const enter = (remoteAddress: string) =>
    connectionLimits.enter({ remoteAddress, usage: () => ({ state: 'idle', sinceMs: 0 }), evict: () => undefined })
  expect(enter('2001:db8:0:1::1')).toBe(true)
  expect(enter('2001:db8:0:1:ffff::2')).toBe(false)
  expect(enter('2001:db8:0:2::1')).toBe(true)
  expect(enter('192.0.2.1')).toBe(true)
  expect(enter('::ffff:192.0.2.1')).toBe(false)
})
