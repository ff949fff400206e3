/**
 * Calls the running server over HTTP for the command line, with the operator's key. The command line cannot open the
 * database itself: on SQLite, the server process has locked it. Each error is a sentence for the operator.
 */
import { statSync } from 'node:fs'
import { localUrl } from '../config/listen-address.ts'
import { readUrl } from '../config/setting-readers.ts'
import type { Config } from '../config/settings.ts'
import { StartupError } from '../errors.ts'
import { readRootKey, rootKeyFile } from '../server/root-key-file.ts'
import { databaseFiles } from '../store/sqlite/data-dir-lock.ts'

/** The server has rejected a request. */
export class RequestRejected extends StartupError {
  /** As in the response; undefined if it has none. */
  readonly code: string | undefined

  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
  }
}

export interface ServerClient {
  readonly url: string
  /**
   * @param path the path below the server's URL, with the query
   * @returns the JSON of the response; undefined for one without content
   * @throws StartupError when no server responds; RequestRejected
   */
  request(method: string, path: string, body?: unknown): Promise<unknown>
}

/**
 * @param url  the server's URL; defaults to that of the server on this machine. Not MARTLET_PUBLIC_URL: that leads through a
 *   proxy, which may not exist yet, or not be reachable from here
 * @throws StartupError when the URL is malformed or unknown, or when no key is configured and the data folder contains none
 */
export async function openServerClient(config: Config, url?: string): Promise<ServerClient> {
  const rootKey = config.rootKey ?? (await readRootKey(config.dataDir))
  if (rootKey === undefined) throw new StartupError(describeMissingKey(config.dataDir))
  const base = readUrl(url, '--url') ?? urlOnThisMachine(config)
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
      if (response.ok && (json !== undefined || response.status === 204)) return json
      const {
        message = `status ${response.status}`,
        fix,
        code,
      } = (json ?? {}) as { message?: string; fix?: string; code?: string }
      const advice = fix === undefined ? '' : `. ${fix}`
      throw new RequestRejected(`${base} rejected the request: ${message}${advice}`, code)
    },
  }
}

function describeMissingKey(dataDir: string): string {
  const [database] = databaseFiles(dataDir) as [string]
  if (statSync(database, { throwIfNoEntry: false })?.size) {
    return (
      `${rootKeyFile(dataDir)} is missing, and a start does not create it again: set MARTLET_ROOT_KEY to the root key. ` +
      'If the key is lost, start the server with a new one in MARTLET_ROOT_KEY'
    )
  }
  return (
    `There is no data of a server in ${dataDir}: set MARTLET_DATA_DIR to the data folder of the server, or MARTLET_ROOT_KEY ` +
    'to its root key. If the server is new, start it once'
  )
}

function urlOnThisMachine({ host, httpPort }: Config): string {
  if (httpPort === 'off' || httpPort === 0) {
    throw new StartupError(`MARTLET_HTTP_PORT=${httpPort} says no port of the running server; use --url`)
  }
  return localUrl(host, httpPort)
}
