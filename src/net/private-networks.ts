/**
 * Which addresses lie in no public network: what a stranger could have us call, to reach what only this machine or its
 * neighbours can. Refused after a name was resolved, and again for the address that was connected to. Pure.
 */
import { BlockList, isIP } from 'node:net'

/** IANA's special-purpose registries (RFC 6890): ranges that are not globally reachable, and multicast. */
const RANGES_4 = [
  '0.0.0.0/8', // this network (RFC 791 §3.2)
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // shared by carriers (RFC 6598)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; clouds answer for their machines' keys there
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
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation (RFC 3849)
  '2002::/16', // 6to4: holds an IPv4 address
  '3fff::/20', // documentation (RFC 9637)
]
/**
 * All that is handed out for use between networks (RFC 4291 §2.4, IANA's IPv6 address space). What lies outside is
 * loopback, link-local, unique local, multicast, or an IPv4 address in one of its many disguises.
 */
const GLOBAL_UNICAST_6 = '2000::/3'
/** An IPv4 address as sockets for both families show it (RFC 4291 §2.5.5.2): what it holds counts. */
const MAPPED_4 = '::ffff:0:0/96'

const blocked = new BlockList()
for (const range of RANGES_4) addRange(blocked, range, 'ipv4')
for (const range of RANGES_6) addRange(blocked, range, 'ipv6')
const global = new BlockList()
addRange(global, GLOBAL_UNICAST_6, 'ipv6')
const mapped = new BlockList()
addRange(mapped, MAPPED_4, 'ipv6')

/** @param address as sockets and resolvers give it; what is no address at all counts as private */
export function isPrivateAddress(address: string): boolean {
  const [bare = ''] = address.split('%') // a zone, "fe80::1%eth0"
  const family = isIP(bare)
  if (family === 0) return true
  if (family === 4) return blocked.check(bare, 'ipv4')
  // Ranges of IPv4 are compared with the IPv4 address inside a mapped one, in every spelling of it.
  if (mapped.check(bare, 'ipv6')) return blocked.check(bare, 'ipv6')
  return !global.check(bare, 'ipv6') || blocked.check(bare, 'ipv6')
}

function addRange(list: BlockList, range: string, family: 'ipv4' | 'ipv6'): void {
  const [network = '', prefix] = range.split('/')
  list.addSubnet(network, Number(prefix), family)
}
