/**
 * Answers the DNS queries of mx-connect for one domain (RFC 5321 §5.1): shuffles hosts of equal preference, omits this
 * server and those that are not preferred to it, and omits addresses to which we must not connect.
 */

import { isIP } from 'node:net'
import type { Limits } from '../../config/limits.ts'
import { bareHostName } from '../../host-name.ts'
import type { Dns, MxRecord } from './dns.ts'
import { MxFailure, privateNetworkFailure } from './mx-failure.ts'

export interface MxRecords {
  resolve(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]>
  /** Servers to which we must not connect. */
  readonly refused: string[]
  isNameMissing: boolean
}

interface MxRecordsNeeds {
  readonly dns: Dns
  /** Our own host name, as in greetings. */
  readonly hostname: string
  readonly random: () => number
  readonly limits: Limits
  readonly mayConnectTo: (ipAddress: string) => boolean
}

export function createMxRecords({ dns, hostname, random, limits, mayConnectTo }: MxRecordsNeeds): MxRecords {
  const asked = new Map<string, Promise<readonly unknown[]>>()
  const refused: string[] = []
  const found: MxRecords = { resolve, refused, isNameMissing: false }
  return found

  /** Queries each record only once: mx-connect queries all servers again after one of them has failed. */
  function resolve(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]> {
    const key = `${type} ${name}`
    const answer = asked.get(key) ?? ask(name, type)
    asked.set(key, answer)
    return answer
  }

  async function ask(name: string, type: 'MX' | 'A' | 'AAAA'): Promise<readonly unknown[]> {
    try {
      if (type === 'MX') return usable(await dns.mx(name))
      const addresses = type === 'A' ? await dns.a(name) : await dns.aaaa(name)
      return addresses.filter((ipAddress) => keep(name, ipAddress)).slice(0, limits.delivery.addressesMax)
    } catch (error) {
      if (type === 'MX' && (error as NodeJS.ErrnoException).code === 'ENOTFOUND') found.isNameMissing = true
      throw error
    }
  }

  function usable(all: readonly MxRecord[]): MxRecord[] {
    // RFC 5321 §5.1 allows only a name here. Some domains use an address; we accept it if we may connect to it.
    const allowed = all.filter(({ exchange }) => isIP(exchange) === 0 || keep(exchange, exchange))
    const ourselves = allowed.find(({ exchange }) => bareHostName(exchange) === hostname)
    const before = ourselves ? allowed.filter(({ priority }) => priority < ourselves.priority) : allowed
    if (ourselves && before.length === 0) {
      // RFC 5321 §5.1: omit our own record and those that are not preferred to it, to avoid mail loops.
      throw new MxFailure('loop', `its mail server is this server (${hostname}), which does not serve the domain`)
    }
    if (all.length > 0 && allowed.length === 0) throw privateNetworkFailure(all[0]!.exchange)
    // Sorted, then limited: mx-connect also sorts, but would first query the addresses of all servers.
    const sorted = shuffled(before, random).sort((a, b) => a.priority - b.priority)
    return sorted.slice(0, limits.delivery.hostsMax)
  }

  function keep(name: string, ipAddress: string): boolean {
    if (mayConnectTo(ipAddress)) return true
    refused.push(name === ipAddress ? `[${ipAddress}]` : `${name} [${ipAddress}]`)
    return false
  }
}

/** Shuffles the list. RFC 5321 §5.1: equal preferences in random order, to spread load. The caller's sort is stable. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other]!, result[last]!]
  }
  return result
}
