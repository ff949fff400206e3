/**
 * Routing: chooses a recipient's target. That is our own inboxes, the operator's relay, its domain's servers, or the
 * capture target, which holds mail. Mail for our own domains is never sent outside, whatever route a release names.
 */
import type { Limits } from '../../../config/limits.ts'
import type { RecipientRow } from '../../../store/schema/sending-rows.ts'
import type { Domains } from '../../domains/domains.ts'
import type { Destination } from '../queue/destination-limits.ts'
import type { Route } from '../queue/queue-change.ts'
import { captureTarget } from './capture-target.ts'
import type { DeliveryTarget } from './delivery-target.ts'

export interface Routing {
  destinationOf(domain: string): Promise<Destination>
  targetFor(row: Pick<RecipientRow, 'route'>, destination: Pick<Destination, 'isLocal'>): Promise<DeliveryTarget>
  /** The route of a release that names none; undefined: the route of all mail. */
  readonly releaseRoute: Route | undefined
  /** Whether a relay is configured for a release. */
  readonly hasRelay: boolean
}

interface RoutingNeeds {
  readonly domains: Pick<Domains, 'isOurs'>
  /** The route of mail for remote addresses. */
  readonly outbound: Route | 'capture'
  readonly local: DeliveryTarget
  readonly remote: DeliveryTarget
  /** undefined: the operator has none. */
  readonly relay: DeliveryTarget | undefined
  readonly limits: Limits
}

export function createRouting({ domains, outbound, local, remote, relay, limits }: RoutingNeeds): Routing {
  return {
    async destinationOf(domain) {
      if (await domains.isOurs(domain)) {
        return { name: 'local', isLocal: true, concurrencyMax: limits.delivery.localConcurrencyMax }
      }
      return outbound === 'relay'
        ? { name: 'relay', isLocal: false, concurrencyMax: limits.delivery.relayConnectionsMax }
        : { name: domain, isLocal: false, concurrencyMax: limits.delivery.destinationConcurrencyMax }
    },

    async targetFor({ route }, { isLocal }) {
      if (isLocal) return local
      const chosen = route ?? outbound
      if (chosen === 'direct') return remote
      return chosen === 'relay' && relay ? relay : captureTarget
    },

    hasRelay: relay !== undefined,
    releaseRoute: outbound === 'capture' ? (relay ? 'relay' : 'direct') : undefined,
  }
}
