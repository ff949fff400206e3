/**
 * A whole server for a test, with real clients: SMTP by nodemailer, HTTP by fetch and the `agentmail` SDK, WebSocket by
 * `ws`. Nothing is mocked by default; a test can set limits, settings, the clock, the free disk space and name lookups.
 *
 *   await using world = await startWorld()
 *   await using other = await world.startSibling()   // on PostgreSQL: a second node of the same service
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AgentMailClient } from 'agentmail'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { loadConfig } from '../../src/config/settings.ts'
import { createLog, type Log } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Lookup } from '../../src/net/fetch/safe-fetch.ts'
import type { Martlet } from '../../src/server/start.ts'
import { MAIL_PROGRAMS_OFF } from './free-port.ts'
import { exchange } from './http-exchange.ts'
import { ROOT_KEY } from './root-key.ts'
import { nextSigningKey } from './shared-signing-keys.ts'
import { sharedThreads } from './shared-threads.ts'
import { openSocket, type TestSocket } from './socket-client.ts'
import { createTestDatabase, type TestDatabase } from './test-database.ts'

/** Loaded with require() because it takes two thirds of the time of import(), which creates promises for each of 1,300 modules. */
const { startMartlet } = createRequire(import.meta.url)(
  '../../build/src/server/start.js',
) as typeof import('../../src/server/start.ts')

export interface WorldOptions {
  readonly limits?: LimitOverrides
  readonly env?: Readonly<Record<string, string>>
  /** The clock of the machine, which may be set forward and back. */
  readonly wallClock?: () => number
  readonly clock?: () => number
  readonly freeBytes?: () => Promise<number>
  readonly lookup?: Lookup
  /** Used instead of standard output. */
  readonly log?: Log
  /** The first start pauses outbound mail and webhooks; a restart does not. */
  readonly startPaused?: boolean
  /** The test's own database and blobs, which the world does not remove. */
  readonly shared?: SharedStore
}

export interface SharedStore {
  /** undefined: SQLite in the data folder. */
  readonly databaseUrl: string | undefined
  readonly blobsDir: string
}

interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: string
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests read any response
  readonly body: any
  readonly headers: Headers
}

export class World implements AsyncDisposable {
  readonly rootKey = ROOT_KEY
  readonly dataDir: string
  /** The database and blobs, which siblings use too. */
  readonly shared: SharedStore
  readonly #options: WorldOptions
  /** Removed together with this world. */
  readonly #owned: TestDatabase | undefined
  #martlet: Martlet
  #sockets: TestSocket[] = []
  #hasSentOverTls = false

  constructor(martlet: Martlet, place: Place, options: WorldOptions) {
    this.#martlet = martlet
    this.dataDir = place.dataDir
    this.shared = place.shared
    this.#owned = place.owned
    this.#options = options
  }

  get url(): string {
    return this.#martlet.url!
  }

  get smtpPort(): number {
    return this.#martlet.smtpPort!
  }

  /** Submission with STARTTLS. */
  get submissionPort(): number {
    return this.#martlet.submissionPort!
  }

  /** Submission with implicit TLS. */
  get submissionsPort(): number {
    return this.#martlet.submissionsPort!
  }

  /** IMAP with STARTTLS. */
  get imapPort(): number {
    return this.#martlet.imapPort!
  }

  /** IMAP with implicit TLS. */
  get imapsPort(): number {
    return this.#martlet.imapsPort!
  }

  /** The real SDK client for this server. */
  get agentmail(): AgentMailClient {
    return this.agentmailAs(this.rootKey)
  }

  agentmailAs(apiKey: string): AgentMailClient {
    return new AgentMailClient({ apiKey, baseUrl: this.url, maxRetries: 0 })
  }

  async request(
    method: string,
    path: string,
    { body, headers = {}, key = this.rootKey }: RequestOptions = {},
  ): Promise<Answer> {
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
    const answer = await exchange(
      `${this.url}${path}`,
      method,
      {
        ...(key !== '' && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body === undefined || isRaw ? (body as string | Buffer | undefined) : JSON.stringify(body),
    )
    const isJson = answer.headers.get('content-type')?.includes('json') ?? false
    const { status, text } = answer
    return { status, body: isJson && text !== '' ? JSON.parse(text) : text, headers: answer.headers }
  }

  /**
   * Sends a message over a new connection; resolves with the reply to the message. Only the first message is sent with STARTTLS:
   * the handshake takes a third of the CPU time of a message.
   */
  readonly smtp = {
    send: async (mail: SendMailOptions): Promise<{ messageId: string; response: string }> => {
      const ignoreTLS = this.#hasSentOverTls
      this.#hasSentOverTls = true
      const tls = { rejectUnauthorized: false }
      const transport = createTransport({ host: '127.0.0.1', port: this.smtpPort, ignoreTLS, tls })
      try {
        return await transport.sendMail({ from: 'ann@example.test', ...mail })
      } finally {
        transport.close()
      }
    },
  }

  /** Opens a WebSocket and subscribes. */
  async subscribe(
    eventFilter: { eventTypes?: string[]; inboxIds?: string[]; podIds?: string[]; after?: string; key?: string } = {},
  ): Promise<TestSocket> {
    const socket = await openSocket(`${this.url.replace('http', 'ws')}/v0`, eventFilter.key ?? this.rootKey)
    this.#sockets.push(socket)
    const { eventTypes, inboxIds, podIds, after } = eventFilter
    socket.send({
      type: 'subscribe',
      ...(eventTypes && { event_types: eventTypes }),
      ...(inboxIds && { inbox_ids: inboxIds }),
      ...(podIds && { pod_ids: podIds }),
      ...(after !== undefined && { after }),
    })
    await socket.nextFrame((frame) => frame.type === 'subscribed' || frame.type === 'error')
    return socket
  }

  /** Stops the server cleanly. */
  async stop(): Promise<void> {
    await this.#martlet.stop()
  }

  /** Starts it again on the same data folder, on new ports. */
  async restart(): Promise<void> {
    await this.stop()
    this.#martlet = await boot(this, { ...this.#options, startPaused: false })
  }

  /** Starts another node on the same database and blobs, with its own data folder. Stop it before this one. */
  async startSibling(options: WorldOptions = {}): Promise<World> {
    if (this.shared.databaseUrl === undefined) throw new Error('SQLite has one server: use notSupported()')
    return startWorld({ ...this.#options, ...options, shared: this.shared })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.close()
    await this.stop()
    await this.#owned?.[Symbol.asyncDispose]()
    await rm(this.dataDir, { recursive: true, force: true })
  }
}

/** Starts two nodes of one service (docs/adr/0011). */
export async function startNodes(limits: LimitOverrides = {}, env: Record<string, string> = {}) {
  const one = await startWorld({ limits, env })
  const two = await one.startSibling()
  return {
    one,
    two,
    both: [one, two] as const,
    async [Symbol.asyncDispose]() {
      await two[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
    },
  }
}

interface Place {
  readonly dataDir: string
  readonly shared: SharedStore
  readonly owned?: TestDatabase | undefined
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const owned = options.shared ? undefined : await createTestDatabase('started', dataDir)
  const shared = options.shared ?? { databaseUrl: owned?.url, blobsDir: join(dataDir, 'blobs') }
  const place = { dataDir, shared, owned }
  return new World(await boot(place, options), place, options)
}

/** Each connection costs PostgreSQL a process, which parses and plans every statement that it sees for the first time. */
const FEW_READERS: LimitOverrides = { store: { readersMax: 2 } }

function boot(
  { dataDir, shared }: Place,
  { limits, env, wallClock, clock, freeBytes, lookup, log, startPaused = false }: WorldOptions,
): Promise<Martlet> {
  const settings = {
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: shared.databaseUrl ?? '',
    MARTLET_BLOBS_URL: pathToFileURL(shared.blobsDir).href,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'fatal',
    ...env,
  }
  // A test's own clock need not agree with PostgreSQL's.
  const anyClock = clock && { store: { clockSkewMsMax: Number.MAX_SAFE_INTEGER } }
  const config = loadConfig(settings, mergeLimits(FEW_READERS, anyClock, limits))
  const given = {
    ...(wallClock && { wallClock }),
    ...(clock && { clock }),
    ...(freeBytes && { freeBytes }),
    ...(lookup && { lookup }),
  }
  return startMartlet({
    config,
    log: log ?? createLog(config.logLevel),
    metrics: createMetrics(),
    startPaused,
    parseThreads: sharedThreads,
    makePrivateKey: nextSigningKey,
    ...given,
  })
}
