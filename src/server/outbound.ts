/** Everything that connects to other machines: DNS, delivery targets with their routing, and the requests to webhooks. */
import { lookup as lookupName } from 'node:dns/promises'
import { isIP } from 'node:net'
import { createLocalTarget } from '../mail/receiving/local-target.ts'
import { createRelayTarget } from '../mail/sending/targets/relay-target.ts'
import { createRemoteTarget } from '../mail/sending/targets/remote-target.ts'
import { reportingDamage } from '../mail/sending/targets/reported-damage.ts'
import { createRouting, type Routing } from '../mail/sending/targets/routing.ts'
import { createDns, type Dns } from '../net/dns/dns.ts'
import { createSafeFetch, type Lookup, type SafeFetch } from '../net/fetch/safe-fetch.ts'
import type { ServerContext, SharedParts } from './shared-parts.ts'

export interface Outbound {
  readonly dns: Dns
  readonly routing: Routing
  /** Sends requests to URLs that clients have chosen. */
  readonly fetch: SafeFetch['fetch']
  readonly download: SafeFetch['download']
  /** Closes the connections to webhooks and mail servers: call it when no request and no delivery is running. */
  close(): void
}

interface OutboundNeeds extends Pick<ServerContext, 'config' | 'log'> {
  readonly shared: Pick<SharedParts, 'domains' | 'receiving' | 'reportDamage'>
  /** Looks up the host names of webhooks. Default: the resolvers of the configuration, else the system's. */
  readonly lookup: Lookup | undefined
}

export function createOutbound({ config, log, shared, lookup: givenLookup }: OutboundNeeds): Outbound {
  const { limits, hostname, allowPrivateNetworks } = config
  const dns = createDns({ servers: config.dnsServers, limits })
  const relay = config.relay && createRelayTarget({ relay: config.relay, hostname, log, limits })
  const remote = createRemoteTarget({
    ...{ dns, hostname, allowPrivateNetworks, limits },
    port: config.outboundPort,
    random: Math.random,
  })
  const routing = createRouting({
    domains: shared.domains,
    outbound: config.outbound,
    local: createLocalTarget({ receiving: shared.receiving, reportDamage: shared.reportDamage, log }),
    remote: reportingDamage(remote, shared.reportDamage),
    relay: relay && reportingDamage(relay, shared.reportDamage),
    limits,
  })
  const lookup = givenLookup ?? (config.dnsServers ? lookupBy(dns) : lookupBySystem)
  const safe = createSafeFetch({ lookup, allowPrivateNetworks, limits })
  return {
    dns,
    routing,
    fetch: safe.fetch,
    download: safe.download,
    close() {
      safe.close()
      remote.close()
      relay?.close()
    },
  }
}

/** Looks names up with the resolvers of the configuration. */
function lookupBy(dns: Dns): Lookup {
  return async (hostname) => (await dns.ipAddresses(hostname)).map((address) => ({ address, family: isIP(address) }))
}

/** Looks names up as other programs of this machine do, with its hosts file. */
const lookupBySystem: Lookup = (hostname) => lookupName(hostname, { all: true })
