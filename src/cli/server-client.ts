/**
 * Calls the running server over HTTP for the command line, with the operator's key. The command line cannot open the
 * database itself: on SQLite, the server process has locked it. Each error is a sentence for the operator.
 */
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { readRootKey } from '../server/root-key-file.ts'

export interface ServerClient {
  readonly url: string
  /**
   * @param path the path below the server's URL, with the query
   * @returns the JSON of the response
   * @throws StartupError when no server responds, or it rejects the request
   */
  request(method: string, path: string, body?: unknown): Promise<unknown>
}

/**
 * @param url  the server's URL; defaults to the configured one
 * @throws StartupError when no key is configured and the data folder contains none
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
        throw new StartupError(`No server responds at ${base}; start it, or use --url`, { cause })
      })
      const json: unknown = await response.json().catch(() => undefined)
      if (response.ok && json !== undefined) return json
      const { message = `status ${response.status}` } = (json ?? {}) as { message?: string }
      throw new StartupError(`${base} rejected the request: ${message}`)
    },
  }
}
