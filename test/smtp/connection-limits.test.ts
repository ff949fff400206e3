/** Peers with addresses that the loopback interface does not have. Tests with sockets are in limits.test.ts. */
import { expect, test } from 'vitest'
import { createConnectionLimits } from '../../src/edges/connection-limits.ts'

test('IPv6 peers are counted by /64, and an IPv4-mapped address as its IPv4 address', () => {
  const connectionLimits = createConnectionLimits({
    ...{ connectionsMax: 10, connectionsPerNetworkMax: 1, stalledMs: 1_000 },
    clock: () => 0,
  })
  const enter = (remoteAddress: string) =>
    connectionLimits.enter({ remoteAddress, usage: () => ({ state: 'idle', sinceMs: 0 }), evict: () => undefined })
  expect(enter('2001:db8:0:1::1')).toBe(true)
  expect(enter('2001:db8:0:1:ffff::2')).toBe(false)
  expect(enter('2001:db8:0:2::1')).toBe(true)
  expect(enter('192.0.2.1')).toBe(true)
  expect(enter('::ffff:192.0.2.1')).toBe(false)
})
