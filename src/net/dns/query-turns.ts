/**
 * Limits how many DNS queries run at a time: in all, and for one client. Clients take turns, so that one whose names are never
 * answered delays only its own mail.
 *
 * A client may be a server that forwards the mail of many people, one of whom sends mail with names that are never answered. So a query
 * that has no answer after `slowMs` gives its place to one that waits, and counts as not answered; without such a one, it goes on. A query that
 * has waited too long is given up: nobody needs its answer any more.
 */
import type { Limits } from '../../config/limits.ts'

interface Waiting {
  begin(): void
}

interface Running {
  readonly client: string
  readonly displaced: AbortController
}

export interface QueryTurns {
  /**
   * Runs `query` when it is its turn.
   *
   * @param client for whom it is asked: a network
   * @param query  ends its work when the signal aborts
   * @param late   returns what is thrown after `waitMs`, and when the query gives its place to another one
   */
  run<Answer>(client: string, query: (displaced: AbortSignal) => Promise<Answer>, late: () => Error): Promise<Answer>
}

export function createQueryTurns(limits: Limits): QueryTurns {
  const { queriesMax, queriesPerClientMax, slowMs, waitMs } = limits.dns
  /** Clients in the order of their turns, each with at least one query. */
  const waiting = new Map<string, Set<Waiting>>()
  const runningOf = new Map<string, number>()
  /** Those that have had no answer for `slowMs`; the oldest first. */
  const slow = new Set<Running>()
  let running = 0

  return {
    async run(client, query, late) {
      if (mayBegin(client)) count(client, 1)
      else await turn(client, late)
      const one: Running = { client, displaced: new AbortController() }
      const timer = setTimeout(() => becameSlow(one), slowMs)
      try {
        return await unlessDisplaced(query, one.displaced.signal, late)
      } finally {
        clearTimeout(timer)
        slow.delete(one)
        count(client, -1)
        beginNext()
      }
    },
  }

  function mayBegin(client: string): boolean {
    return running < queriesMax && (runningOf.get(client) ?? 0) < queriesPerClientMax
  }

  function count(client: string, change: 1 | -1): void {
    running += change
    const own = (runningOf.get(client) ?? 0) + change
    if (own === 0) runningOf.delete(client)
    else runningOf.set(client, own)
  }

  function becameSlow(one: Running): void {
    slow.add(one)
    if ([...waiting.keys()].some((client) => helps(one, client))) displace(one)
  }

  function displace(one: Running): void {
    slow.delete(one)
    one.displaced.abort()
  }

  /** Whether the end of a query would let a query of this client begin. */
  function helps(one: Running, client: string): boolean {
    return one.client === client || (runningOf.get(client) ?? 0) < queriesPerClientMax
  }

  function turn(client: string, late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const own = waiting.get(client) ?? new Set()
      const timer = setTimeout(() => {
        own.delete(one)
        if (own.size === 0) waiting.delete(client)
        reject(late())
      }, waitMs)
      const one: Waiting = {
        begin() {
          clearTimeout(timer)
          count(client, 1)
          resolve()
        },
      }
      own.add(one)
      waiting.set(client, own)
      const oldest = [...slow].find((each) => helps(each, client))
      if (oldest) displace(oldest)
    })
  }

  function beginNext(): void {
    for (const [client, own] of waiting) {
      if (!mayBegin(client)) continue
      const [first] = own
      own.delete(first!)
      waiting.delete(client)
      if (own.size > 0) waiting.set(client, own) // at the end
      first!.begin()
      return
    }
  }
}

function unlessDisplaced<Answer>(
  query: (displaced: AbortSignal) => Promise<Answer>,
  displaced: AbortSignal,
  late: () => Error,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    displaced.addEventListener('abort', () => reject(late()), { once: true })
    query(displaced).then(resolve, reject)
  })
}
