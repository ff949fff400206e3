/**
 * The error catalogue: every error that a caller can get, once.
 *
 * An entry has a code (stable, because clients depend on it), a kind (which class of error it is) and a message for the
 * caller or operator who must act. Protocol status codes are not here: each edge translates kinds and codes once
 * (edges/http/<dialect>, edges/smtp/protocol/replies.ts). docs/errors.md is generated from this file.
 *
 * Messages say what is wrong and what to do. They never contain paths, SQL, keys or stack traces.
 */

/** The class of an error. It decides whether a retry can help; nothing may parse the message for that. */
export type ErrorKind =
  | 'invalid' // the request is malformed; change it
  | 'unauthenticated' // no valid credential
  | 'forbidden' // the credential does not allow this
  | 'taken' // the name is already in use
  | 'rejected' // well-formed and allowed, but policy refuses this message
  | 'not_found' // it does not exist, or this caller may not know that it exists
  | 'conflict' // the current state does not allow it
  | 'unprocessable' // well-formed, but cannot be done as asked
  | 'too_large' // over a size limit
  | 'rate_limited' // too many at once or per second
  | 'temporary' // caused by this server or its environment; the same request will succeed later
  | 'unknown' // it is not known whether it was done: close the connection without an answer, as a crash would
  | 'internal' // a bug; only the log has details

interface ErrorDefinition<Params> {
  kind: ErrorKind
  /** For the caller. */
  message: (params: Params) => string
  /** What to do about it, if the message alone does not say. */
  fix?: string
}

function define<Params = Record<never, never>>(definition: ErrorDefinition<Params>): ErrorDefinition<Params> {
  return definition
}

export const errors = {
  // Requests
  validation_error: define<{ detail: string; path?: readonly (string | number)[] }>({
    kind: 'invalid',
    message: (p) => p.detail,
  }),
  invalid_json: define<{ detail: string }>({
    kind: 'invalid',
    message: (p) => `The body is not valid JSON: ${p.detail}`,
    fix: 'Send a JSON object with Content-Type: application/json.',
  }),
  unsupported_media_type: define<{ contentType: string }>({
    kind: 'invalid',
    message: (p) => `A body of type "${p.contentType}" cannot be read`,
    fix: 'Send a JSON object with Content-Type: application/json.',
  }),
  invalid_page_token: define({
    kind: 'invalid',
    message: () => 'page_token is not one of ours, or belongs to a list with other filters',
    fix: 'Start again without page_token and keep the filters the same while paging.',
  }),
  system_label: define<{ label: string }>({
    kind: 'invalid',
    message: (p) => `The label "${p.label}" is set by the system and cannot be added or removed`,
    fix: 'Use a label of your own.',
  }),
  body_too_large: define<{ limitBytes: number }>({
    kind: 'too_large',
    message: (p) => `The request body is larger than ${p.limitBytes} bytes`,
    fix: 'Send smaller or fewer attachments, and shorter lists.',
  }),
  body_too_complex: define<{ tokensMax: number }>({
    kind: 'too_large',
    message: (p) => `The request body has more than ${p.tokensMax} strings, lists, objects and commas`,
    fix: 'Send shorter lists, in several requests.',
  }),
  too_many_bodies: define({
    kind: 'temporary',
    message: () => 'The server is reading as many request bodies as it has memory for; nothing was changed',
    fix: 'Try the same call again in a few seconds, with fewer large requests at once.',
  }),
  message_too_large: define<{ limitBytes: number }>({
    kind: 'too_large',
    message: (p) => `The message is larger than ${p.limitBytes} bytes`,
    fix: 'Send smaller or fewer attachments.',
  }),
  cursor_expired: define({
    kind: 'invalid',
    message: () => 'The event log no longer has the place of this cursor: it is too old, or the database was set back',
    fix: 'Read the lists you need once, then go on with after=latest, or with after=earliest for all that is kept.',
  }),

  // Authentication and permissions
  missing_authorization: define({
    kind: 'unauthenticated',
    message: () => 'No API key was given',
    fix: 'Send the header "Authorization: Bearer <your API key>".',
  }),
  unknown_api_key: define({
    kind: 'unauthenticated',
    message: () => 'The API key is not known, was deleted, or has expired',
    fix: 'Use a key that exists; an organization key can make new ones with POST /v0/api-keys.',
  }),
  missing_permission: define<{ permission: string; eventType?: string }>({
    kind: 'forbidden',
    // Clients compare the message with "Forbidden". Only for event types does it name the missing permission.
    message: (p) => (p.eventType === undefined ? 'Forbidden' : `${p.permission} is forbidden`),
    fix: 'Use an API key with the permission that this call needs.',
  }),
  permission_escalation: define<{ permission: string }>({
    kind: 'forbidden',
    message: (p) => `A key cannot give the permission "${p.permission}" that it does not have itself`,
    fix: 'Leave the permission out, or use a key that has it.',
  }),
  unrestricted_key_required: define({
    kind: 'forbidden',
    message: () => 'Only a key without restrictions can make or become a key without restrictions',
    fix: 'Give the new key a permissions object, or use an unrestricted key.',
  }),
  forbidden: define<{ detail: string }>({ kind: 'forbidden', message: (p) => p.detail }),

  // Resources
  not_found: define<{ what: string }>({ kind: 'not_found', message: (p) => `${p.what} not found` }),
  method_not_allowed: define<{ method: string; allowed: string }>({
    kind: 'not_found',
    message: (p) => `This path does not take ${p.method}; it takes ${p.allowed}`,
  }),
  resource_taken: define<{ what: string }>({
    kind: 'taken',
    message: (p) => `${p.what} is already taken`,
    fix: 'Choose another name.',
  }),
  cannot_delete: define<{ detail: string }>({ kind: 'forbidden', message: (p) => p.detail }),
  limit_exceeded: define<{ what: string; max: number }>({
    kind: 'forbidden',
    message: (p) => `There can be at most ${p.max} ${p.what}`,
    fix: 'Delete one that is not needed any more.',
  }),
  webhook_disabled: define({
    kind: 'conflict',
    message: () => 'The webhook is switched off',
    fix: 'Switch it on with PATCH {"enabled": true}, and ask again.',
  }),
  event_not_told: define({
    kind: 'conflict',
    message: () => 'The webhook is no longer subscribed to this event, or the event was purged',
    fix: 'See what the webhook names, and with which permissions it was changed last.',
  }),
  replay_running: define({
    kind: 'conflict',
    message: () => 'A replay of this webhook is on its way into the queue',
    fix: 'Ask again in a moment.',
  }),
  range_expired: define<{ from: string }>({
    kind: 'invalid',
    message: (p) => `The event log reaches back to ${p.from} only`,
    fix: 'Begin there, and read what was before from the lists.',
  }),
  too_many_at_once: define<{ what: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `There are ${p.max} ${p.what} under way`,
    fix: 'Ask again in a moment.',
  }),
  too_many_connections: define<{ what: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `This API key has ${p.max} open ${p.what} and can have no more at a time`,
    fix: 'Close one that is not needed any more, or use another key.',
  }),
  too_many_frames: define<{ perSecond: number }>({
    kind: 'rate_limited',
    message: (p) => `This WebSocket sends more than ${p.perSecond} frames a second; the frame was not handled`,
    fix: 'Name everything in one subscribe, and wait for its answer before the next. If this goes on, the socket is closed.',
  }),
  resource_deleting: define<{ what: string }>({
    kind: 'conflict',
    message: (p) => `${p.what} is being deleted`,
  }),
  domain_not_available: define<{ domain: string }>({
    kind: 'unprocessable',
    message: (p) => `The domain "${p.domain}" is not one that this key can make inboxes in`,
    fix: 'Leave the domain out to use the shared one.',
  }),
  thread_too_large: define<{ messagesMax: number }>({
    kind: 'unprocessable',
    message: (p) => `Labels of a thread of ${p.messagesMax} or more messages cannot be changed in one call`,
    fix: 'Change the labels of its messages.',
  }),

  // Sending
  no_recipients: define({
    kind: 'unprocessable',
    message: () => 'The message has no recipients',
    fix: 'Give at least one address in to, cc or bcc.',
  }),
  too_many_recipients: define<{ recipientsMax: number }>({
    kind: 'invalid',
    message: (p) => `A message can have at most ${p.recipientsMax} recipients in to, cc and bcc together`,
    fix: 'Send several messages.',
  }),
  idempotency_conflict: define<{ detail: string }>({ kind: 'conflict', message: (p) => p.detail }),

  // Receiving
  unknown_recipient: define<{ address: string }>({
    kind: 'not_found',
    message: (p) => `There is no mailbox ${p.address} here`,
  }),

  // Server and environment
  unavailable: define<{ detail?: string }>({
    kind: 'temporary',
    message: () => 'The service cannot store anything at the moment; nothing was changed',
    fix: 'Try the same call again in a few seconds.',
  }),
  parse_queue_full: define({
    kind: 'temporary',
    message: () => 'Too many large messages wait to be parsed; nothing was changed',
    fix: 'Try the same call again in a minute.',
  }),
  disk_full: define({
    kind: 'temporary',
    message: () => 'The disk is nearly full; nothing was changed',
    fix: 'The operator must free or add disk space.',
  }),
  shutting_down: define({
    kind: 'temporary',
    message: () => 'The server is shutting down; nothing was changed',
    fix: 'Try the same call again in a few seconds.',
  }),
  outcome_unknown: define({
    kind: 'unknown',
    message: () =>
      'The connection to the database broke while it was committing, and the server stopped before it was known how that ended',
    fix: 'No caller gets this error: the connection is closed without an answer.',
  }),
  internal_error: define({
    kind: 'internal',
    message: () => 'Something went wrong on our side; the details are in the server log',
  }),
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

  constructor(code: C, params: ParamsOf<C>, options?: { cause?: unknown }) {
    const definition = errors[code] as ErrorDefinition<ParamsOf<C>>
    super(definition.message(params), options)
    this.name = 'MailError'
    this.code = code
    this.kind = definition.kind
    this.params = params
    this.fix = definition.fix
  }
}

/** Whether the error is the given entry of the catalogue. */
export function isMailError<C extends ErrorCode>(error: unknown, code: C): error is MailError<C> {
  return error instanceof MailError && error.code === code
}

/** Aborts the start: configuration, data folder or port. Its message is the sentence that the operator reads. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}
