/** Forms of IP addresses. Pure. */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { groupsOf } from './peer-network.ts'

/** Returns an address without its zone (RFC 4007 §11); an IPv4-mapped one as IPv4 (RFC 4291 §2.5.5.2). */
export function bareIp(address: string): string {
  const [bare = ''] = address.split('%')
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare) ?? []
  return mapped ?? bare
}

/** Returns the name under which the names of an address are found (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(ipAddress: string): string {
  if (!isIPv6(ipAddress)) return `${ipAddress.split('.').reverse().join('.')}.in-addr.arpa`
  const digits = groupsOf(ipAddress).map((group) => group.toString(16).padStart(4, '0'))
  return `${[...digits.join('')].reverse().join('.')}.ip6.arpa`
}

/** Whether two texts are the same address. An IPv4 address can be written in one way only. */
export function isSameIp(one: string, other: string): boolean {
  return one === other || (isIPv6(one) && isIPv6(other) && ipList([one]).check(other, 'ipv6'))
}

/** @param ranges addresses, and CIDR ranges such as "10.0.0.0/8" */
export function ipList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

/** Results of `isListed` for one list. A lookup takes 10 us, and a message needs several, mostly for the same client. */
const RESULTS_MAX = 1_000
const knownResults = new WeakMap<BlockList, Map<string, boolean>>()

/**
 * Whether a list contains an address, in any form that a socket gives it.
 *
 * @param list one that does not change any more
 */
export function isListed(list: BlockList, address: string): boolean {
  let results = knownResults.get(list)
  if (!results) {
    results = new Map()
    knownResults.set(list, results)
  }
  const known = results.get(address)
  if (known !== undefined) return known
  const ip = bareIp(address)
  const found = isIP(ip) !== 0 && list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')
  if (results.size >= RESULTS_MAX) results.clear()
  results.set(address, found)
  return found
}
