/**
 * A pool of SMTP sessions with one server: at most `relayConnectionsMax` at once, each for at most `relayMessagesMax`
 * messages and idle for at most `relayIdleMs` (limits.delivery). When all are in use, callers queue.
 *
 * Stop: `close` sends QUIT on idle sessions. Those in use are closed when they are released.
 */
import type { Limits } from '../../config/limits.ts'
import type { SmtpClientSession } from './smtp-client.ts'

export interface PooledSession {
  readonly session: SmtpClientSession
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

interface Idle {
  readonly session: SmtpClientSession
  readonly messageCount: number
  readonly timer: NodeJS.Timeout
}

export function createSmtpPool({ open, limits }: PoolNeeds): SmtpPool {
  let idle: Idle[] = []
  const waiting: (() => void)[] = []
  let taken = 0
  let isClosed = false

  return {
    async acquire(signal) {
      await acquireSlot(signal)
      try {
        const kept = await takeIdle(signal)
        if (kept) return pooled(kept.session, kept.messageCount)
        dropSurplus()
        return pooled(await open(signal), 0)
      } catch (error) {
        releaseSlot()
        throw error
      }
    },

    close() {
      isClosed = true
      for (const { session, timer } of idle.splice(0)) {
        clearTimeout(timer)
        session.quit()
      }
    },
  }

  async function acquireSlot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (taken < limits.delivery.relayConnectionsMax) {
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
      release() {
        keep(session, messageCount + 1)
        releaseSlot()
      },
    }
  }

  function keep(session: SmtpClientSession, messageCount: number): void {
    if (!session.isOpen) return
    if (isClosed || messageCount >= limits.delivery.relayMessagesMax) {
      session.quit()
      return
    }
    const timer = setTimeout(() => {
      idle = idle.filter((each) => each.session !== session)
      session.quit()
    }, limits.delivery.relayIdleMs).unref()
    idle.push({ session, messageCount, timer })
  }

  /**
   * Takes the session that was used last, because the server may soon close the others. Checks first that the server
   * still replies: it may have closed the session without our noticing, and the next message would seem to fail.
   */
  async function takeIdle(signal: AbortSignal): Promise<Idle | undefined> {
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      clearTimeout(kept.timer)
      if (kept.session.isOpen && (await kept.session.isAnswering(signal))) return kept
    }
    return undefined
  }

  /** Closes idle sessions above the limit: they also count as open connections. */
  function dropSurplus(): void {
    while (idle.length > 0 && idle.length + taken > limits.delivery.relayConnectionsMax) {
      const oldest = idle.shift()!
      clearTimeout(oldest.timer)
      oldest.session.quit()
    }
  }
}
