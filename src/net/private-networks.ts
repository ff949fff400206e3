/**
 * Recognises addresses that are not in a public network, so that strangers cannot make us connect to services that only
 * this machine or its network can reach. Addresses are checked after a name is resolved, and again when the connection
 * is open. Pure.
 */
import { BlockList, isIP } from 'node:net'

/** Ranges of IANA's special-purpose registries (RFC 6890) that are not globally reachable, and multicast. */
const RANGES_4 = [
  '0.0.0.0/8', // this network (RFC 791 §3.2)
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // shared by carriers (RFC 6598)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; cloud providers serve credentials of their machines there
  '172.16.0.0/12',
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation (RFC 5737)
  '192.88.99.0/24', // 6to4 relays (RFC 7526)
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarks (RFC 2544)
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
]
const RANGES_6 = [
  '2001::/23', // protocol assignments, including Teredo
  '2001:db8::/32', // documentation (RFC 3849)
  '2002::/16', // 6to4: contains an IPv4 address
  '3fff::/20', // documentation (RFC 9637)
]
/**
 * The only range that is assigned for use between networks (RFC 4291 §2.4, IANA's IPv6 address space). Addresses
 * outside are loopback, link-local, unique local, multicast, or one of the many forms that contain an IPv4 address.
 */
const GLOBAL_UNICAST_6 = '2000::/3'
/** An IPv4 address as dual-stack sockets show it (RFC 4291 §2.5.5.2). The IPv4 address inside decides. */
const MAPPED_4 = '::ffff:0:0/96'

const blocked = new BlockList()
for (const range of RANGES_4) addRange(blocked, range, 'ipv4')
for (const range of RANGES_6) addRange(blocked, range, 'ipv6')
const global = new BlockList()
addRange(global, GLOBAL_UNICAST_6, 'ipv6')
const mapped = new BlockList()
addRange(mapped, MAPPED_4, 'ipv6')

/** @param address as sockets and resolvers return it; a string that is no address counts as private */
export function isPrivateIp(address: string): boolean {
  const [bare = ''] = address.split('%') // a zone, "fe80::1%eth0"
  const family = isIP(bare)
  if (family === 0) return true
  if (family === 4) return blocked.check(bare, 'ipv4')
  // BlockList compares IPv4 ranges with the IPv4 address inside a mapped one, in every notation.
  if (mapped.check(bare, 'ipv6')) return blocked.check(bare, 'ipv6')
  return !global.check(bare, 'ipv6') || blocked.check(bare, 'ipv6')
}

function addRange(list: BlockList, range: string, family: 'ipv4' | 'ipv6'): void {
  const [network = '', prefix] = range.split('/')
  list.addSubnet(network, Number(prefix), family)
}
