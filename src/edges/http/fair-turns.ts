/**
 * Turns of the event loop for work that clients can ask for in bulk: one piece of it per turn, key after key. However many
 * frames one key sends on however many sockets, everything else goes on between two of them, and another key's frame waits for one
 * of them at most.
 */

export interface FairTurns {
  /** Resolves in a turn of the event loop that is given to no one else. Calls of one key keep their order. */
  next(apiKeyId: string): Promise<void>
}

export function createFairTurns(): FairTurns {
  /** By key, in the order in which keys are served. */
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
    if (ofKey.length > 0) waiting.set(apiKeyId, ofKey) // behind the other keys
    if (waiting.size > 0) setImmediate(serveNext)
  }
}
