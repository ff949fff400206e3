/** The address of a client behind proxies, as a table: what a client writes itself never counts. */
import { expect, test } from 'vitest'
import { createClientAddress } from '../../../src/edges/http/server/requests/client-address.ts'

const PROXIES = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8']

test.for<[peer: string, header: string | undefined, client: string]>([
  ['192.0.2.1', undefined, '192.0.2.1'],
  ['::ffff:192.0.2.1', undefined, '192.0.2.1'],
  ['fe80::1%eth0', undefined, 'fe80::1'],
  ['192.0.2.1', '203.0.113.9', '192.0.2.1'], // the peer is no proxy
  ['127.0.0.1', undefined, '127.0.0.1'],
  ['127.0.0.1', '203.0.113.9', '203.0.113.9'],
  ['::ffff:127.0.0.1', '203.0.113.9', '203.0.113.9'],
  ['fd00::5', '2001:db8::1', '2001:db8::1'],
  ['127.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'], // the client wrote the first one
  ['127.0.0.1', '127.0.0.1, 203.0.113.9, 10.1.1.1', '203.0.113.9'],
  ['127.0.0.1', '10.2.2.2,10.1.1.1', '10.2.2.2'], // all are proxies: the outermost
  ['127.0.0.1', '198.51.100.1, unknown', '127.0.0.1'], // RFC 7239 §6.3
  ['127.0.0.1', '198.51.100.1, , 10.1.1.1', '10.1.1.1'],
  ['127.0.0.1', '', '127.0.0.1'],
  ['127.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
  ['127.0.0.1', '[2001:db8::1]:4711', '2001:db8::1'],
  ['127.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
  ['127.0.0.1', '999.0.0.1', '127.0.0.1'],
])('peer %s with X-Forwarded-For %s is %s', ([remoteAddress, header, client]) => {
  const headers = header === undefined ? {} : { 'x-forwarded-for': header }
  const request = { headers, socket: { remoteAddress } } as never
  expect(createClientAddress(PROXIES)(request)).toBe(client)
  const withoutProxies = createClientAddress([])(request)
  expect(withoutProxies).toBe(createClientAddress(PROXIES)({ headers: {}, socket: { remoteAddress } } as never))
})

test('a header of many hops costs time in proportion to its length', () => {
  const clientAddress = createClientAddress(PROXIES)
  const read = (hops: number) =>
    clientAddress({
      headers: { 'x-forwarded-for': `203.0.113.9${', 10.0.0.1'.repeat(hops)}` },
      socket: { remoteAddress: '127.0.0.1' },
    } as never)
  expect(read(1_500)).toBe('203.0.113.9') // as many as fit into the header of a request
})
