/**
 * Renders errors as `{ "error": { code, message, … } }` with a status. AgentPost's documentation shows no error: the form
 * is our choice (docs/compatibility/agentpost.md). The codes are those of docs/errors.md.
 */
import type { ErrorKind } from '../../../../errors/error-definition.ts'
import { isMailError, type MailError } from '../../../../errors.ts'

const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  taken: 409,
  rejected: 422,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unprocessable: 422,
  rate_limited: 429,
  internal: 500,
  unknown: 500, // never sent: the connection is closed instead
  temporary: 503,
}

export interface ErrorBody {
  readonly error: {
    readonly code: string
    readonly message: string
    /** The member of the request that is wrong: "to.0.email". */
    readonly field?: string
    /** What to do about it. */
    readonly fix?: string
  }
}

export function renderError(error: MailError): { status: number; body: ErrorBody } {
  const { code } = error
  const path = 'path' in error.params ? error.params.path : undefined
  const fix = fixOf(error)
  return {
    status: statusOf(error),
    body: {
      error: {
        code,
        message: messageOf(error),
        ...(path?.length && { field: path.join('.') }),
        ...(fix !== undefined && { fix }),
      },
    },
  }
}

/** In the words of this dialect. Other texts can contain what the caller has sent, so they are not changed. */
function messageOf(error: MailError): string {
  if (isMailError(error, 'invalid_page_token')) return error.message.replace('page_token', 'cursor')
  if (isMailError(error, 'not_found')) return error.message.replace(/^Pod\b/, 'Environment')
  if (isMailError(error, 'limit_exceeded')) return error.message.replace(/\ba pod\b/, 'an environment')
  return error.message
}

/** Renders the error as a frame of the WebSocket: like every frame it has a type. */
export function renderErrorFrame(error: MailError): { readonly type: 'error' } & ErrorBody {
  return { type: 'error', ...renderError(error).body }
}

function statusOf({ code, kind }: MailError): number {
  if (code === 'method_not_allowed') return 405
  return code === 'not_implemented' ? 501 : statuses[kind]
}

/** Our texts name AgentMail's paths; here, only those that name none are useful. */
function fixOf(error: MailError): string | undefined {
  if (isMailError(error, 'missing_permission')) return `${error.fix} It is "${error.params.permission}".`
  if (isMailError(error, 'not_implemented')) return 'docs/compatibility/agentpost.md lists what this version has.'
  return error.fix?.includes('/v0') || error.fix?.includes('page_token') ? undefined : error.fix
}
