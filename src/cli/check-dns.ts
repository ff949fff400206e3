/**
 * The part of `martlet check` that asks DNS: what other servers find out about the domain of this server, and about its name. It asks
 * the resolvers of the configuration, and compares as the check of a tenant's domain does (mail/domains/domain-records.ts).
 */
import { Resolver } from 'node:dns/promises'
import type { Config } from '../config/settings.ts'
import { bareHostName, isLocalhost } from '../host-name.ts'
import {
  checkRecord,
  type ExpectedRecord,
  expectedRecords,
  isOutranked,
  type SeenRecord,
} from '../mail/domains/domain-records.ts'
import { createObserveRecords } from '../mail/domains/observe-records.ts'
import { createDns, isNoRecord } from '../net/dns/dns.ts'
import { isPrivateIp } from '../net/private-networks.ts'
import { printable } from './terminal-text.ts'

export interface DnsFinding {
  readonly level: 'ok' | 'warn' | 'FAIL'
  readonly text: string
}

/** The DKIM key of the domain; undefined before the first start, which creates it. */
type DkimKey = { readonly selector: string; readonly publicKey: string } | undefined

/** @returns one finding per record; a resolver that does not answer is only a warning, because it says nothing about the domain */
export async function checkDns(config: Config, key: DkimKey): Promise<DnsFinding[]> {
  const { domain, hostname, spfTerm, limits, dnsServers } = config
  if (isLocalhost(domain)) return [{ level: 'ok', text: `not checked; ${domain} exists on this machine only` }]
  const dns = createDns({ servers: dnsServers, limits })
  const observe = createObserveRecords({ dns, allowPrivateNetworks: config.allowPrivateNetworks, limits })
  const server = { hostname, spfTerm }
  const described = { domain, selector: key?.selector ?? '', publicKey: key?.publicKey ?? '' }
  const isInbound = config.smtpPort !== 'off'
  const expected = expectedRecords({ ...described, isInbound, hasSubdomains: false }, server).filter(
    ({ purpose }) => purpose !== 'dkim' || key !== undefined,
  )
  const seen = await observe(domain, expected).catch((error: NodeJS.ErrnoException) => error)
  if (seen instanceof Error) return [{ level: 'warn', text: `no answer about ${domain} (${seen.code})` }]
  const statusOf = (record: ExpectedRecord) => checkRecord(record, seen[record.purpose] ?? [], server).status
  const isOurMx = expected.some((record) => record.purpose === 'inbound' && statusOf(record) === 'VALID')
  const findings = expected.map((record): DnsFinding => {
    const found = seen[record.purpose] ?? []
    // RFC 7208 §5.4: "mx" permits the servers of the MX records, and this one is among them.
    const isPermitted =
      record.purpose === 'spf' && isOurMx && found.some(({ value }) => /^v=spf1(?: \S+)* \+?mx(?: |$)/i.test(value))
    const title = `${record.name} ${record.type}`
    if (isPermitted || statusOf(record) === 'VALID') return { level: 'ok', text: title }
    const wanted = `publish ${showRecord(record)}`
    if (statusOf(record) === 'MISSING') return { level: 'FAIL', text: `${title} is missing; ${wanted}` }
    const advice = isOutranked(record, found) ? 'another MX is preferred (lower number)' : wanted
    return { level: 'FAIL', text: `${title} is ${found.map(showRecord).join(' and ')}; ${advice}` }
  })
  return [...findings, ...(await checkHostname(config, dns))]
}

/** The name must lead here for mail to arrive, and lead back for direct mail to be accepted. */
async function checkHostname(config: Config, dns: ReturnType<typeof createDns>): Promise<DnsFinding[]> {
  const { hostname, dnsServers, limits, outbound } = config
  const addresses = await dns.ipAddresses(hostname).catch((error: NodeJS.ErrnoException) => error)
  if (addresses instanceof Error) {
    return isNoRecord(addresses)
      ? [
          {
            level: 'FAIL',
            text: `${hostname} has no address; publish an A or AAAA record of it, or set MARTLET_HOSTNAME`,
          },
        ]
      : [{ level: 'warn', text: `no answer about ${hostname} (${addresses.code})` }]
  }
  const found: DnsFinding = { level: 'ok', text: `${hostname} has the address ${addresses.join(', ')}` }
  if (outbound !== 'direct') return [found]
  const resolver = new Resolver({ timeout: limits.dns.tryMs, tries: limits.dns.triesMax })
  if (dnsServers) resolver.setServers([...dnsServers])
  const publicOnes = addresses.filter((address) => config.allowPrivateNetworks || !isPrivateIp(address))
  const back = publicOnes.map(async (address): Promise<DnsFinding> => {
    const names = await resolver.reverse(address).catch((error: NodeJS.ErrnoException) => error)
    if (names instanceof Error && !isNoRecord(names))
      return { level: 'warn', text: `no answer about the PTR record of ${address} (${names.code})` }
    const all = names instanceof Error ? [] : names
    if (all.some((name) => bareHostName(name) === hostname)) return { level: 'ok', text: `${address} PTR` }
    const now = all.length === 0 ? 'is missing' : `is ${all.map(printable).join(' and ')}`
    return { level: 'FAIL', text: `${address} PTR ${now}; the provider of the address must set it to ${hostname}` }
  })
  return [found, ...(await Promise.all(back))]
}

/** The value in DNS is a stranger's text. */
function showRecord({ value, priority }: SeenRecord): string {
  return printable(priority === undefined ? `"${value}"` : `${priority} ${value}`)
}
