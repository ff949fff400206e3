/**
 * The error catalogue: every error that a caller can get, once.
 *
 * An entry has a code (stable, because clients depend on it), a kind (which class of error it is) and a message for the
 * caller or operator who must act. Protocol status codes are not here: each edge translates kinds and codes once
 * (edges/http/dialects/<dialect>, edges/smtp/protocol/replies.ts). The entries are in errors/, by subject; docs/errors.md is
 * generated from them.
 *
 * Messages say what is wrong and what to do. They never contain paths, SQL, keys or stack traces.
 */
import { accessErrors } from './errors/access-errors.ts'
import type { ErrorDefinition, ErrorKind } from './errors/error-definition.ts'
import { mailboxErrors } from './errors/mailbox-errors.ts'
import { receivingErrors } from './errors/receiving-errors.ts'
import { requestErrors } from './errors/request-errors.ts'
import { resourceErrors } from './errors/resource-errors.ts'
import { sendingErrors } from './errors/sending-errors.ts'
import { serverErrors } from './errors/server-errors.ts'

export const errors = {
  ...requestErrors,
  ...accessErrors,
  ...resourceErrors,
  ...sendingErrors,
  ...receivingErrors,
  ...mailboxErrors,
  ...serverErrors,
} as const

export type ErrorCode = keyof typeof errors
type ParamsOf<C extends ErrorCode> = Parameters<(typeof errors)[C]['message']>[0]

/**
 * An expected error. Throw it where it is detected; the edge translates it once.
 *
 * @param code    an entry of the catalogue
 * @param params  values for the entry's message; they are also logged
 * @param options cause: the underlying error, for the log only
 */
export class MailError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  readonly kind: ErrorKind
  readonly params: ParamsOf<C>
  readonly fix: string | undefined
  readonly endsByItself: boolean

  constructor(code: C, params: ParamsOf<C>, options?: { cause?: unknown }) {
    const definition = errors[code] as ErrorDefinition<ParamsOf<C>>
    super(definition.message(params), options)
    this.name = 'MailError'
    this.code = code
    this.kind = definition.kind
    this.params = params
    this.fix = (params as { readonly fix?: string }).fix ?? definition.fix
    this.endsByItself = definition.endsByItself ?? false
  }
}

/** Whether the error is the given entry of the catalogue. */
export function isMailError<C extends ErrorCode>(error: unknown, code: C): error is MailError<C> {
  return error instanceof MailError && error.code === code
}

/** Whether a retry can succeed without a change to the request: the disk, the database or the server's state failed. */
export function isTemporary(error: unknown): error is MailError {
  return error instanceof MailError && error.kind === 'temporary'
}

/**
 * Whether an error most likely stops all work of the server, and not only the one that got it: the database or the disk failed, or a stop
 * left the outcome of a commit unknown.
 */
export function concernsAllWork(error: unknown): error is MailError {
  return isTemporary(error) || isMailError(error, 'outcome_unknown')
}

/** Aborts the start: configuration, data folder or port. Its message is the sentence that the operator reads. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}
