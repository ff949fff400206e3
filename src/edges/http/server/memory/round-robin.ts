/**
 * Schedules work that clients can request in bulk: one piece per turn of the event loop, round robin over API keys.
 * Even if one key sends many frames on many sockets, other work runs between two of them, and a frame of another key
 * waits for at most one frame of each other key.
 */

export interface RoundRobin {
  /** Resolves in a turn of the event loop in which no other call resolves. Calls of one key keep their order. */
  next(apiKeyId: string): Promise<void>
}

export function createRoundRobin(): RoundRobin {
  /** Keys in the order in which they are served, each with its waiting calls. */
  const waiting = new Map<string, (() => void)[]>()

  return {
    next: (apiKeyId) =>
      new Promise((resolve) => {
        const ofKey = waiting.get(apiKeyId)
        if (ofKey) return void ofKey.push(resolve)
        if (waiting.size === 0) setImmediate(serveNext)
        waiting.set(apiKeyId, [resolve])
      }),
  }

  function serveNext(): void {
    const [first] = waiting
    if (!first) return
    const [apiKeyId, ofKey] = first
    waiting.delete(apiKeyId)
    ofKey.shift()!()
    if (ofKey.length > 0) waiting.set(apiKeyId, ofKey) // after the other keys
    if (waiting.size > 0) setImmediate(serveNext)
  }
}
