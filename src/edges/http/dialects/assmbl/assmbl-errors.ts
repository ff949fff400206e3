/**
 * Renders errors for clients of Assmbl: a status and `{error, message, fix?, field?}`. Assmbl documents statuses only, so
 * the body is Martlet's own (docs/compatibility/assmbl.md).
 */
import type { ErrorKind } from '../../../../errors/error-definition.ts'
import type { MailError } from '../../../../errors.ts'

const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  taken: 409,
  rejected: 403,
  not_found: 404,
  conflict: 409,
  unprocessable: 400,
  too_large: 413,
  rate_limited: 429,
  temporary: 503,
  internal: 500,
  unknown: 500, // never sent: the connection is closed instead
}

/** Texts of other dialects that would name a parameter which this one does not have. */
const own: Readonly<Record<string, { readonly message: string; readonly fix: string }>> = {
  invalid_page_token: {
    message: 'The cursor is invalid, or it belongs to a list with other filters',
    fix: 'Start again without cursor, and do not change the filters while you page.',
  },
}

interface ErrorBody {
  /** A code of docs/errors.md. */
  readonly error: string
  readonly message: string
  readonly fix?: string | undefined
  /** The member or parameter that is wrong. */
  readonly field?: string | undefined
}

export function renderError(error: MailError): { status: number; body: ErrorBody } {
  const { code, params } = error
  const { message, fix } = own[code] ?? error
  const path = 'path' in params ? params.path : undefined
  const permission = 'permission' in params ? params.permission : undefined
  return {
    // RFC 9110 §15.5.6: the path exists, but does not support the method.
    status: code === 'method_not_allowed' ? 405 : statuses[error.kind],
    body: {
      error: code,
      message,
      fix: permission === undefined ? fix : `${fix} It is "${permission}".`,
      ...(path?.length && { field: path.join('.') }),
    },
  }
}
