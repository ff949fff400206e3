/**
 * What the HTTP server asks of a dialect, one hosted service's way to speak to us. A dialect spells: it has shapes, paths
 * and an error body. What happens is decided in mail/.
 */
import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { WebSocket } from 'ws'
import type { MailError } from '../../errors.ts'
import type { KeyActor } from '../../mail/access/actor.ts'
import type { BacklogBudget } from './backlog-budget.ts'
import type { Streams } from './streams.ts'
import type { SocketSurroundings } from './subscriber.ts'
import type { WritePacer } from './write-pacer.ts'

/** Fastify with request types that follow from the routes' schemas. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What a dialect may know of the server that it is part of. */
export interface HttpSurroundings {
  /** Base of links that clients are given, without trailing slash. Known once the server listens. */
  readonly publicUrl: () => string
  /** Aborts when the server begins to stop: a request that waits for something answers at once. */
  readonly stopping: AbortSignal
  /** Where a response that stays open is made known. */
  readonly streams: Pick<Streams, 'admit' | 'add'>
  /** These two are shared by all connections that stay open. */
  readonly budget: BacklogBudget
  readonly pacer: WritePacer
}

export interface Dialect {
  /** In metrics and the log, for example "agentmail". */
  readonly name: string
  /** Every request below this path is the dialect's, found or not: "/v0". Empty: whatever no other dialect claims. */
  readonly prefix: string
  /** Adds its routes to an encapsulated app below the prefix: hooks and decorators stay in it. */
  readonly routes: (app: HttpApp, surroundings: HttpSurroundings) => Promise<void>
  /** A failure as the dialect's clients expect it. Pure. */
  readonly renderError: (error: MailError) => { readonly status: number; readonly body: object }
  /** Where its clients open a WebSocket, if they do. */
  readonly live?: {
    /** Whole path, matched exactly. */
    readonly path: string
    /** Before the handshake: a MailError is answered as a plain HTTP response. */
    readonly authenticate: (request: IncomingMessage) => Promise<KeyActor>
    /**
     * Takes the open socket over, until it closes.
     *
     * @returns resolves, once the feed has ended, when what it gave before is written
     */
    readonly serve: (socket: WebSocket, actor: KeyActor, surroundings: SocketSurroundings) => () => Promise<void>
  }
}
