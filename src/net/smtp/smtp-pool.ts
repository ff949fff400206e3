/**
 * A pool of SMTP sessions with one server: at most `relayConnectionsMax` at once, each for at most `relayMessagesMax`
 * messages and idle for at most `relayIdleMs` (limits.delivery). When all are in use, callers queue.
 *
 * Stop: `close` sends QUIT on idle sessions. Those in use are closed when they are released.
 */
import type { Limits } from '../../config/limits.ts'
import { IdleSessions } from './idle-sessions.ts'
import type { SmtpClientSession } from './smtp-client.ts'

export interface PooledSession {
  readonly session: SmtpClientSession
  /** Whether it has had a message before. */
  readonly isReused: boolean
  /** Call this once, after the message. A closed session is not kept. */
  release(): void
}

export interface SmtpPool {
  /** Returns an idle session or opens one. @throws the error of opening it, or the signal's reason */
  acquire(signal: AbortSignal): Promise<PooledSession>
  close(): void
}

interface PoolNeeds {
  readonly open: (signal: AbortSignal) => Promise<SmtpClientSession>
  readonly limits: Limits
}

/** All sessions are with the same server. */
const RELAY = 'relay'

export function createSmtpPool({ open, limits }: PoolNeeds): SmtpPool {
  const { relayConnectionsMax, relayMessagesMax, relayIdleMs } = limits.delivery
  const idle = new IdleSessions<undefined>({ messagesMax: relayMessagesMax, idleMs: relayIdleMs })
  const waiting: (() => void)[] = []
  let taken = 0

  return {
    async acquire(signal) {
      await acquireSlot(signal)
      try {
        const kept = idle.take(RELAY)
        if (kept) return pooled(kept.session, kept.messageCount)
        dropSurplus()
        return pooled(await open(signal), 0)
      } catch (error) {
        releaseSlot()
        throw error
      }
    },

    close: () => idle.close(),
  }

  async function acquireSlot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (taken < relayConnectionsMax) {
      taken += 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const proceed = () => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        waiting.splice(waiting.indexOf(proceed), 1)
        reject(signal.reason)
      }
      waiting.push(proceed)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Passes the slot to the caller that has waited longest, if there is one. */
  function releaseSlot(): void {
    const next = waiting.shift()
    if (next) next()
    else taken -= 1
  }

  function pooled(session: SmtpClientSession, messageCount: number): PooledSession {
    return {
      session,
      isReused: messageCount > 0,
      release() {
        idle.keep(RELAY, { session, server: undefined, messageCount: messageCount + 1 })
        releaseSlot()
      },
    }
  }

  /** Closes idle sessions above the limit: they also count as open connections. */
  function dropSurplus(): void {
    while (idle.count > 0 && idle.count + taken > relayConnectionsMax) idle.endOldest()
  }
}
