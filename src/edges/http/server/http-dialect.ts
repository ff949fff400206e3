/**
 * The interface of a dialect: the HTTP API of one hosted service, as its clients expect it. A dialect defines paths,
 * JSON shapes and error bodies; mail/ contains the rules.
 */
import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { WebSocket } from 'ws'
import type { MailError } from '../../../errors.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { BacklogBudget } from './memory/backlog-budget.ts'
import type { BodyBudget } from './memory/body-budget.ts'
import type { ResponseBudget } from './memory/response-budget.ts'
import type { RoundRobin } from './memory/round-robin.ts'
import type { WritePacer } from './memory/write-pacer.ts'
import type { ClientAddress } from './requests/client-address.ts'
import type { LongPolls } from './requests/request-wait.ts'
import type { SseRegistry } from './sse-registry.ts'

/** Fastify with request types that are derived from the route schemas. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/**
 * The close code when the server stops. Node clients reconnect after 1012 (Service Restart) and never after 1000.
 * Python clients end their iteration without an error after 1001 (Going Away) and with an exception after 1012.
 */
export type StopCode = 1001 | 1012

/** What the server provides with each socket. */
export interface SocketContext {
  readonly stopCode: StopCode
  /** Disconnects the client without a close frame. */
  readonly disconnect: (error: Error) => void
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
  readonly roundRobin: RoundRobin
}

/** What the server provides to a dialect. */
export interface HttpContext {
  /** Base URL of links for clients, without trailing slash. Known once the server listens. */
  readonly publicUrl: () => string
  /** Returns the address of a client, which may be behind a proxy. */
  readonly clientAddress: ClientAddress
  /** Refuses a request of a page in a browser, for routes that need no key and are not signed. @throws forbidden */
  readonly refusePages: (request: FastifyRequest) => void
  readonly longPolls: LongPolls
  /** The registry of responses that stay open. */
  readonly streams: Pick<SseRegistry, 'admit' | 'add'>
  /** Shared by all connections that stay open: the memory budget, and the bytes written per turn of the event loop. */
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
  /** Memory for what a handler loads beside the body of its request. */
  readonly bodies: Pick<BodyBudget, 'memoryOf'>
  /** Memory for the messages that a response will contain, and for a message that a request composes from stored ones. */
  readonly responses: Pick<ResponseBudget, 'memoryOf' | 'composingMemoryOf'>
}

export interface Dialect {
  /** The name in metrics and the log, for example "agentmail". */
  readonly name: string
  /**
   * The dialect responds to all requests below this path, such as "/v0", even for unknown paths. Empty: all other
   * paths.
   */
  readonly prefix: string
  /** First segments of its paths, such as "/send", if its prefix is empty and it does not respond to all other paths. */
  readonly paths?: readonly string[]
  /** The path of the page that lists its paths; undefined: that of the API reference. */
  readonly pathsPage?: string
  /** Adds its routes to a scope below the prefix. Hooks and decorators apply only in this scope. */
  readonly routes: (app: HttpApp, context: HttpContext) => Promise<void>
  /** Renders an error as the dialect's clients expect it. Pure. */
  readonly renderError: (error: MailError) => { readonly status: number; readonly body: object }
  /** The WebSocket endpoint, if the dialect has one. */
  readonly live?: {
    /** The whole path, which must match exactly. */
    readonly path: string
    /** Called before the handshake. A MailError becomes a plain HTTP response. */
    readonly authenticate: (request: IncomingMessage) => Promise<KeyActor>
    /**
     * Serves the open socket until it closes.
     *
     * @returns a function whose promise resolves, after the feed has stopped, when all its events are written
     */
    readonly serve: (socket: WebSocket, actor: KeyActor, context: SocketContext) => () => Promise<void>
  }
}
