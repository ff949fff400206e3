/**
 * Which way a recipient goes: into our own inboxes, to the operator's relay, to its domain's servers, or onto the shelf.
 * Our own domains never leave, whatever a release says.
 */
import type { Limits } from '../../limits.ts'
import type { RecipientRow } from '../../store/schema.ts'
import type { Domains } from '../domains/domains.ts'
import { captureTarget } from './capture-target.ts'
import type { Lane } from './lanes.ts'
import type { DeliveryTarget } from './target.ts'
import type { Route } from './waiting.ts'

export interface WaysOut {
  laneOf(domain: string): Promise<Lane>
  targetFor(row: Pick<RecipientRow, 'domain' | 'route'>): Promise<DeliveryTarget>
  /** Where what is held goes when it is released without a word about that; undefined: where all mail goes. */
  readonly releaseRoute: Route | undefined
  /** There is one to release to. */
  readonly hasRelay: boolean
}

interface WaysOutNeeds {
  readonly domains: Pick<Domains, 'isOurs'>
  /** Where foreign mail goes. */
  readonly outbound: Route | 'capture'
  readonly local: DeliveryTarget
  readonly remote: DeliveryTarget
  /** undefined: the operator has none. */
  readonly relay: DeliveryTarget | undefined
  readonly limits: Pick<Limits, 'deliveryLocalConcurrencyMax' | 'deliveryLaneConcurrencyMax' | 'relayConnectionsMax'>
}

export function createWaysOut({ domains, outbound, local, remote, relay, limits }: WaysOutNeeds): WaysOut {
  return {
    async laneOf(domain) {
      if (await domains.isOurs(domain)) {
        return { name: 'local', isLocal: true, concurrencyMax: limits.deliveryLocalConcurrencyMax }
      }
      return outbound === 'relay'
        ? { name: 'relay', isLocal: false, concurrencyMax: limits.relayConnectionsMax }
        : { name: domain, isLocal: false, concurrencyMax: limits.deliveryLaneConcurrencyMax }
    },

    async targetFor({ domain, route }) {
      if (await domains.isOurs(domain)) return local
      const way = route ?? outbound
      if (way === 'direct') return remote
      return way === 'relay' && relay ? relay : captureTarget
    },

    hasRelay: relay !== undefined,
    releaseRoute: outbound === 'capture' ? (relay ? 'relay' : 'direct') : undefined,
  }
}
