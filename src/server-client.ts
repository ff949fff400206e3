/**
 * How the command line speaks with the running server: over HTTP with the operator's key, since one process owns the
 * database. Every failure becomes a sentence for the operator.
 */
import type { Config } from './config.ts'
import { StartupError } from './errors.ts'
import { readRootKey } from './root-key.ts'

export interface ServerClient {
  readonly url: string
  /**
   * @param path below the server's URL, with its query
   * @returns the answer's JSON
   * @throws StartupError when no server answers, or it refuses
   */
  request(method: string, path: string, body?: unknown): Promise<unknown>
}

/**
 * @param url  of the server; from the configuration when left out
 * @throws StartupError when there is no key
 */
export async function openServerClient(config: Config, url?: string): Promise<ServerClient> {
  const rootKey = config.rootKey ?? (await readRootKey(config.dataDir))
  if (rootKey === undefined)
    throw new StartupError(`No key in ${config.dataDir}; start the server once, or set MARTLET_ROOT_KEY`)
  const base = (url ?? config.publicUrl ?? `http://${config.host}:${config.httpPort}`).replace(/\/+$/, '')
  return {
    url: base,
    async request(method, path, body) {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${rootKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }).catch((cause: unknown) => {
        throw new StartupError(`No server answers at ${base}; start it, or give --url`, { cause })
      })
      const answer: unknown = await response.json().catch(() => undefined)
      if (response.ok && answer !== undefined) return answer
      const { message = `status ${response.status}` } = (answer ?? {}) as { message?: string }
      throw new StartupError(`${base} refused: ${message}`)
    },
  }
}
