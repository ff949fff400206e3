/**
 * Remembers the SPF results of senders that send again: evaluating a record takes longer than all other checks of DNS
 * records together.
 *
 * A result depends on the client, its name, the sender, and the answers of DNS. So it is used again only for the same three,
 * and while DNS (its cache) still gives the same answers: not an equal one, but the same object, which changes when its time
 * to live has passed. Macros of a record (RFC 7208 §7) need no attention, because all that they insert is in the key.
 */
import type { Limits } from '../../../config/limits.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import { LruCache } from '../../../store/lru-cache.ts'
import { checkSpf, type SpfClient, type SpfResult } from './spf-check.ts'

export interface SpfVerdicts {
  /** As `checkSpf`. @param dns for this message */
  check(client: SpfClient, dns: CachedDns): Promise<SpfResult>
}

interface Answer {
  readonly name: string
  readonly type: Parameters<CachedDns['query']>[1]
  /** The records, or the error. */
  readonly outcome: unknown
}

interface Verdict {
  readonly result: SpfResult
  /** All that DNS was asked for. */
  readonly answers: readonly Answer[]
}

/** Results that follow from the records. An error may follow from a limit of time. */
const LASTING: ReadonlySet<SpfResult['result']> = new Set(['pass', 'fail', 'softfail', 'neutral', 'none'])

export function createSpfVerdicts({ hostname, limits }: { hostname: string; limits: Limits }): SpfVerdicts {
  const { spfVerdictsMax, spfVerdictBytesMax } = limits.authentication
  const senders = new LruCache<{ verdict?: Verdict | undefined }>(spfVerdictsMax)

  return {
    async check(client, dns) {
      const known = senders.getOrAdd(keyOf(client), () => ({}))
      if (known.verdict && (await isUnchanged(known.verdict, dns))) return known.verdict.result
      const answers: Answer[] = []
      const result = await checkSpf(client, { dns: recorded(dns, answers), hostname, limits })
      const isKept = LASTING.has(result.result) && sizeOf(answers) <= spfVerdictBytesMax
      known.verdict = isKept ? { result, answers } : undefined
      return result
    },
  }
}

/** None of the three contains a line break. */
function keyOf({ ipAddress, helo, sender }: SpfClient): string {
  return `${ipAddress}\n${sender}\n${helo}`
}

async function isUnchanged({ answers }: Verdict, dns: CachedDns): Promise<boolean> {
  for (const { name, type, outcome } of answers) if ((await outcomeOf(dns, name, type)) !== outcome) return false
  return true
}

async function outcomeOf(dns: CachedDns, name: string, type: Answer['type']): Promise<unknown> {
  try {
    return await dns.query(name, type)
  } catch (error) {
    return error
  }
}

/** Returns a DNS that adds what it answers to a list. */
function recorded(dns: CachedDns, answers: Answer[]): CachedDns {
  return {
    async query(name, type, client) {
      try {
        const records = await dns.query(name, type, client)
        answers.push({ name, type, outcome: records })
        return records
      } catch (error) {
        answers.push({ name, type, outcome: error })
        throw error
      }
    },
  }
}

function sizeOf(answers: readonly Answer[]): number {
  let chars = 0
  for (const { name, outcome } of answers)
    chars += name.length + (Array.isArray(outcome) ? (outcome as string[]).join().length : 0)
  return chars
}
