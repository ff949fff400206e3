/**
 * Starts the HTTP edge alone, on a real port, with a core that the test supplies. It is for tests of the edge itself
 * (encodings, errors, back-pressure, shutdown), which do not need the whole program.
 */

import { Writable } from 'node:stream'
import type { LimitOverrides } from '../../../src/config/limits.ts'
import { loadConfig } from '../../../src/config/settings.ts'
import { type AgentMailNeeds, agentMail } from '../../../src/edges/http/dialects/agentmail/index.ts'
import { createHttpServer, type HttpServer } from '../../../src/edges/http/server/http-server.ts'
import { MailError } from '../../../src/errors.ts'
import { createEventLoop } from '../../../src/event-loop.ts'
import { createLog } from '../../../src/log.ts'
import type { KeyActor } from '../../../src/mail/access/actor.ts'
import { createMetrics, type Metrics } from '../../../src/metrics.ts'
import { exchange } from '../../support/http-exchange.ts'

export const KEY = 'am_us_test_key_of_the_edge'

export const anyone: KeyActor = { kind: 'key', apiKeyId: 'key-1', organizationId: 'org-1' }

type Services = Omit<AgentMailNeeds, 'config' | 'log' | 'metrics' | 'credentials'>
/** The part of the core that the test needs: each service may have only some of its functions. */
export type CoreStub = { readonly [Name in keyof Services]?: Partial<Services[Name]> }

export interface Edge extends AsyncDisposable {
  readonly url: string
  readonly server: HttpServer
  readonly metrics: Metrics
  /** Parsed log lines. */
  readonly log: Record<string, unknown>[]
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>
}

interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** null: send no key. */
  readonly key?: string | null
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests read any response
  readonly body: any
  readonly headers: Headers
}

export async function startEdge({
  core = {},
  limits = {},
  env = {},
  probes = {},
  actor = anyone,
  keys = { [KEY]: actor },
  beforeKey = async () => undefined,
}: {
  core?: CoreStub
  limits?: LimitOverrides
  env?: Readonly<Record<string, string>>
  probes?: Record<string, () => void>
  /** The actor of KEY. */
  actor?: KeyActor
  /** The actor of each key, if there are several. */
  keys?: Readonly<Record<string, KeyActor>>
  /** A look-up of a key waits for this promise. */
  beforeKey?: (key: string) => Promise<unknown>
} = {}): Promise<Edge> {
  const config = loadConfig({ MARTLET_HTTP_PORT: '0', MARTLET_LOG_LEVEL: 'debug', ...env }, limits)
  const lines: Record<string, unknown>[] = []
  const log = createLog(
    'debug',
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)))
        done()
      },
    }),
  )
  const metrics = createMetrics()
  const credentials = {
    async authenticate(key: string) {
      await beforeKey(key)
      const known = keys[key]
      if (!known) throw new MailError('unknown_api_key', {})
      return known
    },
  }
  const dialect = agentMail({ ...services(core), config, log, metrics, credentials })
  const eventLoop = createEventLoop(config.limits)
  const server = createHttpServer({
    config,
    log,
    metrics,
    eventLoop,
    credentials,
    requireNoStranger: async () => undefined,
    probes,
    dialects: [dialect],
  })
  const { url } = await server.listen()

  return {
    url,
    server,
    metrics,
    log: lines,
    async request(method, path, { body, headers = {}, key = KEY } = {}) {
      const answer = await exchange(
        url + path,
        method,
        {
          ...(key !== null && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      )
      const { status, text } = answer
      const isJson = answer.headers.get('content-type')?.startsWith('application/json')
      return { status, headers: answer.headers, body: isJson ? JSON.parse(text) : text }
    },
    async [Symbol.asyncDispose]() {
      await server.stop(100)
    },
  }
}

/** Fills in the services that the test does not supply: they fail when called, so earlier steps can be tested. */
function services(core: CoreStub): Services {
  const missing = new Proxy({}, { get: () => () => Promise.reject(new Error('not supplied by this test')) })
  const names =
    'apiKeys organizations pods inboxes messages threads labels sending deliveries webhooks deliveryLog replays webhookTests feed news'
  const gaps = Object.fromEntries(names.split(' ').map((name) => [name, missing]))
  return { ...gaps, ...core } as unknown as Services
}
