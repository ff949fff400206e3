/**
 * Queries DNS for the authentication of mail, with a cache: each answer for its time to live, at most
 * `limits.dns.cachedMsMax`. Questions that are the same at the same time are asked once. Failures are not cached.
 *
 * The cache has a fixed number of entries, and large answers are not kept, so strangers cannot fill the memory with
 * questions. A limited number of questions is on its way at a time; others wait.
 */
import { getServers } from 'node:dns'
import type { Limits } from '../../config/limits.ts'
import { askServers, type DnsAnswer, DnsError, type DnsServer, isNoSuchRecord, type RecordType } from './dns-query.ts'

export interface CachedDns {
  /**
   * @returns the records as texts, at least one (`DnsAnswer`)
   * @throws DnsError
   */
  query(name: string, type: RecordType): Promise<readonly string[]>
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

export function createCachedDns({ servers, clock, limits }: CachedDnsNeeds): CachedDns {
  const { cachedMax, cachedBytesMax, cachedMsMax, queriesMax } = limits.dns
  /** Oldest first. */
  const cache = new Map<string, CacheEntry>()
  const asked = new Map<string, Promise<DnsAnswer>>()
  const waiting: (() => void)[] = []
  let running = 0

  return {
    async query(name, type) {
      const key = `${type} ${name.toLowerCase()}`
      const known = find(key)
      if (known) {
        if (known instanceof DnsError) throw known
        return known.records
      }
      const asking = asked.get(key) ?? begin(key, name, type)
      return (await asking).records
    },
  }

  function find(key: string): CacheEntry['answer'] | undefined {
    const entry = cache.get(key)
    if (!entry) return undefined
    if (entry.untilMs > clock()) return entry.answer
    cache.delete(key)
    return undefined
  }

  function begin(key: string, name: string, type: RecordType): Promise<DnsAnswer> {
    const asking = ask(name, type).then(
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

  async function ask(name: string, type: RecordType): Promise<DnsAnswer> {
    if (running >= queriesMax) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      const { tryMs: timeoutMs, triesMax } = limits.dns
      return await askServers(resolvers(servers), name, type, { timeoutMs, triesMax })
    } finally {
      const next = waiting.shift() // takes over the place of this one
      if (next) next()
      else running -= 1
    }
  }

  function keep<Answer extends CacheEntry['answer']>(key: string, answer: Answer): Answer {
    const ms = Math.min(answer.ttlSeconds * 1_000, cachedMsMax)
    const bytes = answer instanceof DnsError ? 0 : answer.records.reduce((sum, { length }) => sum + length, 0)
    if (ms <= 0 || bytes > cachedBytesMax) return answer
    cache.delete(key)
    const [oldest] = cache.keys()
    if (cache.size >= cachedMax && oldest !== undefined) cache.delete(oldest)
    cache.set(key, { untilMs: clock() + ms, answer })
    return answer
  }
}

/** @param servers as in the setting; the system's are read anew each time, since they change with its networks */
function resolvers(servers: readonly string[] = getServers()): DnsServer[] {
  return servers.map((server) => {
    // "[::1]:53", "127.0.0.1:53", "127.0.0.1", and "::1", as Node writes it
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(server) ?? []
    return { address: bracketed ?? plain ?? server, port: port === undefined ? RESOLVER_PORT : Number(port) }
  })
}
