/**
 * Renders errors as AgentMail's clients expect them: a status, and one body for current clients (flat fields) and for
 * those of 2024 (nested `error`). SDKs choose their error class by the status alone; application code branches on
 * `code` (docs/compatibility/agentmail.md).
 */
import type { ErrorKind } from '../../../../errors/error-definition.ts'
import type { ListRefusal } from '../../../../errors/sending-errors.ts'
import { type ErrorCode, isMailError, type MailError } from '../../../../errors.ts'

interface Status {
  readonly status: number
  readonly name: string
}

const statuses: Readonly<Record<ErrorKind, Status>> = {
  invalid: { status: 400, name: 'ValidationError' },
  unauthenticated: { status: 401, name: 'UnauthorizedError' },
  forbidden: { status: 403, name: 'ForbiddenError' },
  taken: { status: 403, name: 'IsTakenError' },
  rejected: { status: 403, name: 'MessageRejectedError' },
  not_found: { status: 404, name: 'NotFoundError' },
  conflict: { status: 409, name: 'ConflictError' },
  too_large: { status: 413, name: 'PayloadTooLargeError' },
  unprocessable: { status: 422, name: 'UnprocessableError' },
  rate_limited: { status: 429, name: 'RateLimitError' },
  internal: { status: 500, name: 'InternalServerError' },
  unknown: { status: 500, name: 'InternalServerError' }, // never sent: the connection is closed instead
  temporary: { status: 503, name: 'ServiceUnavailableError' },
}

/** AgentMail has fewer codes than our catalogue. These errors are sent with the code that its documentation uses. */
const codes: Partial<Record<ErrorCode, string>> = {
  invalid_json: 'validation_error',
  unsupported_media_type: 'validation_error',
  invalid_page_token: 'validation_error',
  system_label: 'validation_error',
  too_many_recipients: 'validation_error',
  no_recipients: 'unprocessable',
  domain_not_available: 'unprocessable',
  thread_too_large: 'unprocessable',
  replay_too_wide: 'query_range_too_wide',
  narrow_key: 'forbidden',
  idempotency_conflict: 'conflict',
  idempotency_running: 'conflict', // a response with Retry-After
  draft_sending: 'conflict',
  draft_changed: 'race_condition',
  human_verified: 'resource_taken',
  human_conflict: 'conflict',
  code_tries_exceeded: 'limit_exceeded',
  too_many_connections: 'rate_limit_exceeded',
  too_many_frames: 'rate_limit_exceeded',
  too_many_bodies: 'service_unavailable',
  too_many_responses: 'service_unavailable',
  unavailable: 'service_unavailable',
  parse_queue_full: 'service_unavailable',
  disk_full: 'service_unavailable',
  shutting_down: 'service_unavailable',
}

export interface ErrorBody {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly errors?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[]
  readonly fix?: string
  /** For clients of 2024 and 2025. */
  readonly error: {
    readonly type: string
    readonly message: string
    readonly details: Readonly<Record<string, string>>
  }
}

export function renderError(error: MailError): { status: number; body: ErrorBody } {
  const { name } = statuses[error.kind]
  // RFC 9110 §15.5.6: the path exists, but does not support the method.
  const status = error.code === 'method_not_allowed' ? 405 : statuses[error.kind].status
  const code = codes[error.code] ?? error.code
  const { message } = error
  const path = pathOf(error)
  const fix = fixOf(error)
  const details = { code: code.toUpperCase(), ...(path?.length && { field: path.join('.') }) }
  return {
    status,
    body: {
      name,
      code,
      message,
      // Clients expect this list in every ValidationError, even if the error concerns no single field.
      ...(status === 400 && { errors: [{ path: path ?? [], message }] }),
      ...(fix !== undefined && { fix }),
      error: { type: code, message, details },
    },
  }
}

/**
 * Renders the error as a frame, with AgentMail's text for an event type without permission
 * (docs/compatibility/agentmail.md).
 */
export function renderErrorFrame(error: MailError) {
  const { name, code, message, fix } = renderError(error).body
  const permission = missingPermission(error)
  return { type: 'error', name, code, message: permission === undefined ? message : `${permission} is forbidden`, fix }
}

function pathOf(error: MailError): readonly (string | number)[] | undefined {
  return 'path' in error.params ? error.params.path : undefined
}

/** The keys that may make a call, by the narrowest scope. */
const keysFor = {
  pod: 'a key of the pod or of the organization',
  organization: 'a key of the organization',
  root: 'the root key',
} as const

/** `message` stays "Forbidden", because clients compare it; `fix` names the permission or the scope. */
function fixOf(error: MailError): string | undefined {
  // The generator of docs/errors.md renders errors with other params.
  const refusals = isMailError(error, 'message_rejected') ? error.params.refusals : undefined
  if (Array.isArray(refusals)) return fixOfRefusals(refusals)
  const permission = missingPermission(error)
  if (permission !== undefined) return `${error.fix} It is "${permission}".`
  if (isMailError(error, 'not_found') && error.params.name !== undefined) {
    const { what, name } = error.params
    const form = what === 'Inbox' && !name.includes('@') ? ' Write its whole address, such as agent@example.com.' : ''
    return `There is no ${what.toLowerCase()} ${name.toWellFormed()} in the scope of this key.${form}`
  }
  if (isMailError(error, 'not_found') && error.params.what === 'Download') {
    return 'Links expire (expires_at): request the attachment or the raw message again for a new one.'
  }
  if (isMailError(error, 'narrow_key')) return `${error.fix} This call needs ${keysFor[error.params.narrowestKey]}.`
  return error.fix
}

function missingPermission(error: MailError): string | undefined {
  return isMailError(error, 'missing_permission') ? error.params.permission : undefined
}

/** Refusals in one response that come with the call that lifts them. */
const FIXES_MAX = 5

function fixOfRefusals(refusals: readonly ListRefusal[]): string {
  const fixes = [...new Set(refusals.map(fixOfRefusal))]
  const more = fixes.length > FIXES_MAX ? ` And ${fixes.length - FIXES_MAX} more.` : ''
  return fixes.slice(0, FIXES_MAX).join(' ') + more
}

function fixOfRefusal({ address, direction, type, entry, podId, inboxAddress, isBounce }: ListRefusal): string {
  const [owner, path] =
    inboxAddress !== undefined
      ? [`the inbox ${inboxAddress}`, `/inboxes/${encodeURIComponent(inboxAddress)}`]
      : podId !== undefined
        ? [`the pod ${podId}`, `/pods/${podId}`]
        : ['the organization', '']
  const list = `/v0${path}/lists/${direction}/${type}`
  const one = `${list}/${encodeURIComponent(entry ?? address)}`
  if (isBounce)
    return `Mail to ${address} bounced, or was reported as spam: correct the address, or do not write to it. The entry of ${owner} is read-only: GET ${one}.`
  if (type === 'allow') return `Add ${address} to the ${direction} allow list of ${owner}: POST ${list}.`
  return `Delete the entry ${entry ?? address} from the ${direction} block list of ${owner}: DELETE ${one}.`
}
