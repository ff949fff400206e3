/** What the schema of a route says for readers only: dialects with an API description show it. */
import type { ErrorCode } from '../../../errors.ts'

declare module 'fastify' {
  interface FastifySchema {
    /** The route is no operation of the API, for example a page. */
    readonly hide?: boolean
    readonly tags?: readonly string[]
    readonly summary?: string
    readonly description?: string
    /** The operation is Martlet's own addition to the API of the dialect. */
    readonly isOurs?: boolean
    /** Names what the server never has: the operation can only fail, and has no response with 200. */
    readonly refused?: string
    /** Only older clients use it. */
    readonly isDeprecated?: boolean
    /** Errors that the operation can have beside those that every operation like it can have. */
    readonly errors?: readonly ErrorCode[]
    /**
     * Rules that no schema can state, such as "start must be before end": the message with which a request is refused that
     * matches the schema and breaks the rule. `…` stands for any text.
     */
    readonly rules?: readonly string[]
    /** Header fields that the operation reads, as the schema of an object. */
    readonly headerFields?: object
  }
}
