/**
 * Queries DNS for the authentication of mail, with a cache: each answer for its time to live, at most
 * `limits.dns.cachedMsMax`. Questions that are the same at the same time are asked once. Failures are not cached.
 *
 * The cache has a fixed number of entries, and large answers are not kept, so strangers cannot fill the memory with
 * questions. A limited number of questions is on its way at a time; others wait for their turn (query-turns.ts).
 */
import { getServers } from 'node:dns'
import type { Limits } from '../../config/limits.ts'
import { askServers, type DnsAnswer, DnsError, type DnsServer, isNoSuchRecord, type RecordType } from './dns-query.ts'
import { createQueryTurns } from './query-turns.ts'

export interface CachedDns {
  /**
   * @param client  whose mail needs the answer: a network; clients take turns
   * @returns the records as texts, at least one (`DnsAnswer`)
   * @throws DnsError
   */
  query(name: string, type: RecordType, client?: string): Promise<readonly string[]>
}

interface CachedDnsNeeds {
  /** "127.0.0.1:5353" or "[::1]:53"; undefined: the resolvers of the system. */
  readonly servers: readonly string[] | undefined
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
  readonly limits: Limits
}

interface CacheEntry {
  readonly untilMs: number
  readonly answer: DnsAnswer | DnsError
}

const RESOLVER_PORT = 53
/** Memory of a record besides its characters: an answer of 64 KB can have 5,000 empty ones. */
const RECORD_BYTES = 32

export function createCachedDns({ servers, clock, limits }: CachedDnsNeeds): CachedDns {
  const { cachedMax, cachedBytesMax, cachedMsMax } = limits.dns
  /** Oldest first. */
  const cache = new Map<string, CacheEntry>()
  const asked = new Map<string, Promise<DnsAnswer>>()
  const turns = createQueryTurns(limits)

  return {
    async query(name, type, client = '') {
      const key = `${type} ${name.toLowerCase()}`
      const found = findOrJoin(key)
      if (found) return (await found).records
      // While it waited, another client may have asked the same question. It joins a query that runs, never one that waits, perhaps for a slow client.
      const ask = (displaced: AbortSignal) => findOrJoin(key) ?? begin(key, name, type, displaced)
      const late = () => new DnsError('ETIMEOUT', `${type} ${name}`)
      return (await turns.run(client, ask, late)).records
    },
  }

  /** Returns an answer that is cached or on its way. */
  function findOrJoin(key: string): Promise<DnsAnswer> | undefined {
    const known = find(key)
    if (known) return known instanceof DnsError ? Promise.reject(known) : Promise.resolve(known)
    return asked.get(key)
  }

  function find(key: string): CacheEntry['answer'] | undefined {
    const entry = cache.get(key)
    if (!entry) return undefined
    if (entry.untilMs > clock()) return entry.answer
    cache.delete(key)
    return undefined
  }

  function begin(key: string, name: string, type: RecordType, ended: AbortSignal): Promise<DnsAnswer> {
    const { tryMs: timeoutMs, triesMax } = limits.dns
    const asking = askServers(resolvers(servers), name, type, { timeoutMs, triesMax, ended }).then(
      (answer) => keep(key, answer),
      (error: DnsError) => {
        if (isNoSuchRecord(error)) keep(key, error)
        throw error
      },
    )
    asked.set(key, asking)
    const forget = () => asked.delete(key)
    asking.then(forget, forget)
    return asking
  }

  function keep<Answer extends CacheEntry['answer']>(key: string, answer: Answer): Answer {
    const ms = Math.min(answer.ttlSeconds * 1_000, cachedMsMax)
    const bytes =
      answer instanceof DnsError ? 0 : answer.records.reduce((sum, { length }) => sum + length + RECORD_BYTES, 0)
    if (ms <= 0 || bytes > cachedBytesMax) return answer
    cache.delete(key)
    const [oldest] = cache.keys()
    if (cache.size >= cachedMax && oldest !== undefined) cache.delete(oldest)
    cache.set(key, { untilMs: clock() + ms, answer })
    return answer
  }
}

/** @param servers as in the setting; the system's are read again for each query, since they change with its networks */
function resolvers(servers: readonly string[] = getServers()): DnsServer[] {
  return servers.map((server) => {
    // "[::1]:53", "127.0.0.1:53", "127.0.0.1", and "::1", as Node writes it
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? []
    return { address: bracketed ?? plain ?? server, port: port === undefined ? RESOLVER_PORT : Number(port) }
  })
}
