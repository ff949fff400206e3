/** Determines the network of a peer's IP address. Limits per peer apply to a network, not to a single address. Pure. */
import { isIPv6 } from 'node:net'

/** RFC 4291 §2.5.4: the last 64 bits identify an interface, so one host can use 2^64 IPv6 addresses. */
const NETWORK_GROUPS = 4

/**
 * @param address as Node's sockets return it, with or without a zone (RFC 4007 §11)
 * @returns the IPv4 address for an IPv4 or IPv4-mapped address (RFC 4291 §2.5.5.2); the /64 for an IPv6 address, such
 *          as "2001:db8:0:1::/64"; any other text unchanged
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return address
  const groups = groupsOf(bare)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.')
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16))
  return `${network.join(':')}::/64`
}

/** Returns the eight groups of a valid IPv6 address (RFC 4291 §2.2). */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const before = numbers(head)
  if (tail === undefined) return before
  const after = numbers(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function numbers(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number) // the last 32 bits in IPv4 notation
    return [(a << 8) | b, (c << 8) | d]
  })
}
