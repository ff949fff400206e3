/** Checks whether the name of the client's address has this address (RFC 8601 §3). It is shown, and decides nothing. */
import { isSameIp, reverseName } from '../../../formats/address/ip-address.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import { type DnsError, isNoSuchRecord } from '../../../net/dns/dns-query.ts'
import type { IprevFinding } from '../../messages/authentication.ts'

/** §3 and RFC 7208 §4.6.4: names of one address that are compared. */
const NAMES_MAX = 10

export async function checkIprev(ipAddress: string, dns: CachedDns): Promise<IprevFinding> {
  try {
    const names = (await dns.query(reverseName(ipAddress), 'PTR')).slice(0, NAMES_MAX)
    const type = ipAddress.includes(':') ? 'AAAA' : 'A'
    const found = await Promise.all(names.map((name) => addressesOf(name, type)))
    const at = found.findIndex((addresses) => addresses.some((address) => isSameIp(address, ipAddress)))
    if (at >= 0) return { result: 'pass', name: shown(names[at]!) }
    return { result: 'fail', name: shown(names[0]!), reason: 'the name has another address' }
  } catch (error) {
    const { code } = error as DnsError
    if (isNoSuchRecord({ code })) return { result: 'fail', reason: 'the address has no name' }
    return { result: 'temperror', reason: `the name could not be looked up (${code})` }
  }

  async function addressesOf(name: string, type: 'A' | 'AAAA'): Promise<readonly string[]> {
    try {
      return await dns.query(name.replace(/\.$/, ''), type)
    } catch (error) {
      if (isNoSuchRecord(error as DnsError)) return []
      throw error
    }
  }
}

function shown(name: string): string {
  return name.replace(/\.$/, '').toLowerCase()
}
