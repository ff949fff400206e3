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
  '::/128', // unspecified
  '::1/128', // loopback
  '::/96', // IPv4-compatible, given up (RFC 4291 §2.5.5.1)
  '64:ff9b::/96', // translated to IPv4 (RFC 6052), whatever that is
  '64:ff9b:1::/48',
  '100::/64', // discard (RFC 6666)
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation (RFC 3849)
  '2002::/16', // 6to4: holds an IPv4 address
  '3fff::/20', // documentation (RFC 9637)
  '5f00::/16', // segment routing (RFC 9602)
  'fc00::/7', // unique local
  'fe80::/10', // link-local
  'fec0::/10', // site-local, given up
  'ff00::/8', // multicast
]

const blocked = new BlockList()
for (const range of RANGES_4) addRange(range, 'ipv4')
for (const range of RANGES_6) addRange(range, 'ipv6')

/** @param address as sockets and resolvers give it; what is no address at all counts as private */
export function isPrivateAddress(address: string): boolean {
  const [bare = ''] = address.split('%') // a zone, "fe80::1%eth0"
  const family = isIP(bare)
  if (family === 0) return true
  return blocked.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

function addRange(range: string, family: 'ipv4' | 'ipv6'): void {
  const [network = '', prefix] = range.split('/')
  blocked.addSubnet(network, Number(prefix), family)
}
