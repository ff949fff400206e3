/**
 * Limits open connections of a protocol (SMTP, IMAP), in total and per network, and decides which one is closed when a new one needs
 * its slot.
 *
 * Counts sockets from accept to close, so that a connection that lingers after its last command is still counted. An evicted
 * connection is no longer counted, since it is closed at once. At the maximum, a new connection evicts one that is not
 * in use, so that idle connections cannot block others. Candidates are
 *
 *   1. connections that are idle: for SMTP, those without a mail transaction under way; for IMAP, those without a login;
 *   2. if there are none, connections that are busy and have made no progress for `stalledMs`.
 *
 * Among these, the network with the most connections loses the one that has been idle, or without progress, the
 * longest. If there is no candidate, every connection is in use, and the new one is refused.
 */

import { networkOf } from '../formats/address/peer-network.ts'

export interface LimitedConnection {
  readonly remoteAddress: string
  /**
   * - `idle`: it is closing, or may be closed for another one; `sinceMs` is the time of its last command
   * - `busy`: it is in use; `sinceMs` is the time of its last progress
   */
  usage(): { readonly state: 'idle' | 'busy'; readonly sinceMs: number }
  /** Closes the connection at once. */
  evict(): void
}

export interface ConnectionLimits {
  /** @returns whether the connection may stay; if so, `leave` must follow */
  enter(connection: LimitedConnection): boolean
  leave(connection: LimitedConnection): void
}

interface ConnectionLimitsNeeds {
  readonly connectionsMax: number
  readonly connectionsPerNetworkMax: number
  /** Time without progress after which a busy connection may be closed for another one. */
  readonly stalledMs: number
  /** Milliseconds of a monotonic clock, the same as in `LimitedConnection.usage`. */
  readonly clock: () => number
}

export function createConnectionLimits({ clock, ...limits }: ConnectionLimitsNeeds): ConnectionLimits {
  const byNetwork = new Map<string, Set<LimitedConnection>>()
  let open = 0

  return {
    enter(connection) {
      const network = networkOf(connection.remoteAddress)
      if ((byNetwork.get(network)?.size ?? 0) >= limits.connectionsPerNetworkMax) return false
      if (open >= limits.connectionsMax && !evictOne()) return false
      const neighbours = byNetwork.get(network) ?? new Set()
      byNetwork.set(network, neighbours.add(connection))
      open += 1
      return true
    },

    leave: remove,
  }

  function evictOne(): boolean {
    const connection = findLeastUsed()
    if (!connection) return false
    remove(connection)
    connection.evict()
    return true
  }

  function findLeastUsed(): LimitedConnection | undefined {
    const stalledBeforeMs = clock() - limits.stalledMs
    let idle: EvictionCandidate | undefined
    let stalled: EvictionCandidate | undefined
    for (const neighbours of byNetwork.values()) {
      for (const connection of neighbours) {
        const { state, sinceMs } = connection.usage()
        const candidate = { connection, sinceMs, neighbours: neighbours.size }
        if (state === 'idle') idle = lessUsed(idle, candidate)
        else if (sinceMs <= stalledBeforeMs) stalled = lessUsed(stalled, candidate)
      }
    }
    return (idle ?? stalled)?.connection
  }

  /** Has no effect for a connection that was evicted. */
  function remove(connection: LimitedConnection): void {
    const network = networkOf(connection.remoteAddress)
    const neighbours = byNetwork.get(network)
    if (!neighbours?.delete(connection)) return
    open -= 1
    if (neighbours.size === 0) byNetwork.delete(network)
  }
}

interface EvictionCandidate {
  readonly connection: LimitedConnection
  readonly sinceMs: number
  /** Connections of its network, itself included. */
  readonly neighbours: number
}

function lessUsed(one: EvictionCandidate | undefined, other: EvictionCandidate): EvictionCandidate {
  if (!one) return other
  if (one.neighbours !== other.neighbours) return one.neighbours > other.neighbours ? one : other
  return one.sinceMs <= other.sinceMs ? one : other
}
