/**
 * Limits how many DNS queries run at a time: in all, and for one client. Clients take turns, so that one whose names are never
 * answered delays only its own mail. A query that has waited too long is given up: nobody needs its answer any more.
 */
import type { Limits } from '../../config/limits.ts'

interface Waiting {
  begin(): void
}

export interface QueryTurns {
  /**
   * Runs `query` when it is its turn.
   *
   * @param client for whom it is asked: a network
   * @param late   returns what is thrown after `waitMs`
   */
  run<Answer>(client: string, query: () => Promise<Answer>, late: () => Error): Promise<Answer>
}

export function createQueryTurns(limits: Limits): QueryTurns {
  const { queriesMax, queriesPerClientMax, waitMs } = limits.dns
  /** Clients in the order of their turns, each with at least one query. */
  const waiting = new Map<string, Set<Waiting>>()
  const runningOf = new Map<string, number>()
  let running = 0

  return {
    async run(client, query, late) {
      if (mayBegin(client)) count(client, 1)
      else await turn(client, late)
      try {
        return await query()
      } finally {
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
