/**
 * Opens a connection again after it was lost. After a failure, further calls are rejected at once until a pause is over,
 * so that they do not queue behind a server that does not respond. The pauses grow.
 */
import type { Limits } from '../../config/limits.ts'
import { retryPauseMs } from '../../retry-pause.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { classify } from './postgres-errors.ts'

const RETRY_FIRST_MS = 50

interface ReconnectNeeds {
  readonly connect: () => Promise<PostgresConnection>
  readonly limits: Limits
}

/** @returns a function that opens a connection, or rejects with the last failure as postgres-errors.ts classifies it */
export function createReconnect({ connect, limits }: ReconnectNeeds): () => Promise<PostgresConnection> {
  let failures = 0
  let lastFailure: { readonly error: unknown; readonly retryAtMs: number } | undefined

  return async function reconnect() {
    if (lastFailure && performance.now() < lastFailure.retryAtMs) throw lastFailure.error
    try {
      const connection = await connect()
      failures = 0
      return connection
    } catch (error) {
      failures += 1
      const pauseMs = retryPauseMs(failures, RETRY_FIRST_MS, limits.store.retryMsMax)
      lastFailure = { error: classify(error, true), retryAtMs: performance.now() + pauseMs }
      throw lastFailure.error
    }
  }
}
