/**
 * The error catalogue: every error that a caller can get, once.
 *
 * An entry has a code (stable, because clients depend on it), a kind (which class of error it is) and a message for the
 * caller or operator who must act. Protocol status codes are not here: each edge translates kinds and codes once
 * (edges/http/dialects/<dialect>, edges/smtp/protocol/replies.ts). docs/errors.md is generated from this file.
 *
 * Messages say what is wrong and what to do. They never contain paths, SQL, keys or stack traces.
 */

/** The class of an error. It decides whether a retry can help; nothing may parse the message for that. */
export type ErrorKind =
  | 'invalid' // the request is malformed; change it
  | 'unauthenticated' // no valid credentials
  | 'forbidden' // the credentials do not allow this
  | 'taken' // the name is already in use
  | 'rejected' // well-formed and allowed, but policy refuses this message
  | 'not_found' // it does not exist, or this caller may not know that it exists
  | 'conflict' // the current state does not allow it
  | 'unprocessable' // well-formed, but cannot be done as requested
  | 'too_large' // over a size limit
  | 'rate_limited' // too many at once or per second
  | 'temporary' // caused by this server or its environment; the same request can succeed later
  | 'unknown' // it is not known whether the request was done: close the connection without a response, as a crash would
  | 'internal' // a bug; only the log has details

interface ErrorDefinition<Params> {
  kind: ErrorKind
  /** For the caller. */
  message: (params: Params) => string
  /** What to do about it, if the message alone does not say. */
  fix?: string
}

/** The list that refuses a recipient. Each dialect says how to change it. */
export interface ListRefusal {
  readonly address: string
  readonly direction: string
  readonly type: 'allow' | 'block'
  /** The matching entry of a block list. */
  readonly entry?: string | undefined
  /** The pod or inbox that has the list; neither: the organization. */
  readonly podId?: string | undefined
  readonly inboxAddress?: string | undefined
  /** The server made the entry because mail to the address bounced. */
  readonly isBounce?: boolean | undefined
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
    message: (p) => `A body of type "${p.contentType}" is not supported`,
    fix: 'Send a JSON object with Content-Type: application/json.',
  }),
  invalid_page_token: define({
    kind: 'invalid',
    message: () => 'page_token is invalid, or it belongs to a list with other filters',
    fix: 'Start again without page_token, and do not change the filters while you page.',
  }),
  system_label: define<{ label: string }>({
    kind: 'invalid',
    message: (p) => `The label "${p.label}" is set by the system and cannot be added or removed`,
    fix: 'Use a label of your own.',
  }),
  body_too_large: define<{ limitBytes: number }>({
    kind: 'too_large',
    message: (p) => `The request body is larger than ${p.limitBytes} bytes`,
    fix: 'Send smaller or fewer attachments, and shorter arrays.',
  }),
  body_too_complex: define<{ tokensMax: number }>({
    kind: 'too_large',
    message: (p) => `The request body has more than ${p.tokensMax} strings, arrays, objects and commas`,
    fix: 'Send shorter arrays, in several requests.',
  }),
  too_many_bodies: define({
    kind: 'temporary',
    message: () => 'All memory for request bodies is in use; nothing was changed',
    fix: 'Retry in a few seconds, and send fewer large requests at the same time.',
  }),
  too_many_responses: define({
    kind: 'temporary',
    message: () => 'All memory for large responses is in use',
    fix: 'Retry in a few seconds, request fewer large messages at the same time, and read each response to its end without pauses.',
  }),
  message_too_large: define<{ limitBytes: number }>({
    kind: 'too_large',
    message: (p) => `The message is larger than ${p.limitBytes} bytes`,
    fix: 'Send smaller or fewer attachments.',
  }),
  cursor_expired: define({
    kind: 'invalid',
    message: () => 'The cursor has expired: its events were purged, or the database was restored from a backup',
    fix: 'Read the lists that you need once, then continue with after=latest, or with after=earliest for all events that are kept.',
  }),

  // Authentication and permissions
  missing_authorization: define({
    kind: 'unauthenticated',
    message: () => 'The request has no API key',
    fix: 'Send the header "Authorization: Bearer <your API key>".',
  }),
  unknown_api_key: define({
    kind: 'unauthenticated',
    message: () => 'The API key is unknown, was deleted, or has expired',
    fix: 'Use a valid key; an organization key can create new ones with POST /v0/api-keys.',
  }),
  login_failed: define({
    kind: 'unauthenticated',
    message: () => 'The user name or the password is wrong',
    fix: 'User: the address of the inbox. Password: an API key whose scope covers the inbox, or an app password of it.',
  }),
  login_forbidden: define<{ permission: string }>({
    kind: 'forbidden',
    message: (p) => `The password lacks the permission ${p.permission}`,
    fix: 'Use an API key or an app password with the permission.',
  }),
  missing_permission: define<{ permission: string; eventType?: string }>({
    kind: 'forbidden',
    // Clients compare the message with "Forbidden". Only for event types does it name the missing permission.
    message: (p) => (p.eventType === undefined ? 'Forbidden' : `${p.permission} is forbidden`),
    fix: 'Use an API key with the permission that this call needs.',
  }),
  narrow_key: define<{ narrowestKey: 'pod' | 'organization' | 'root' }>({
    kind: 'forbidden',
    message: () => 'Forbidden', // clients compare it
    fix: 'Use an API key with a wider scope.',
  }),
  permission_escalation: define<{ permission: string }>({
    kind: 'forbidden',
    message: (p) => `A key cannot grant the permission "${p.permission}", which it does not have itself`,
    fix: 'Leave the permission out, or use a key that has it.',
  }),
  unrestricted_key_required: define({
    kind: 'forbidden',
    message: () => 'Only an unrestricted key can create an unrestricted key or remove the restrictions of a key',
    fix: 'Give the new key a permissions object, or use an unrestricted key.',
  }),
  forbidden: define<{ detail: string }>({ kind: 'forbidden', message: (p) => p.detail }),
  sign_ups_disabled: define({
    kind: 'forbidden',
    message: () => 'This server accepts no sign-ups',
    fix: 'Ask its operator for an API key. MARTLET_SIGN_UP=on accepts sign-ups.',
  }),
  organization_unverified: define<{ action: string }>({
    kind: 'forbidden',
    message: (p) => `An organization cannot ${p.action} before its human is verified`,
    fix: 'Send the code that was mailed to the human with POST /v0/agent/verify. If none was mailed, give the address of the human with POST /v0/agent/human.',
  }),
  human_verified: define<{ address: string }>({
    kind: 'taken',
    message: (p) => `${p.address} belongs to a verified organization, whose key cannot be replaced by a sign-up`,
    fix: 'Use the key of that organization, or another address.',
  }),
  human_conflict: define<{ detail: string }>({ kind: 'conflict', message: (p) => p.detail }),
  code_tries_exceeded: define<{ max: number; until: string }>({
    kind: 'forbidden',
    message: (p) => `The code was entered wrongly ${p.max} times; it is refused until ${p.until}`,
    fix: 'After that time, POST /v0/agent/human with the same address mails a new code.',
  }),
  // Not a 5xx or a conflict: clients would repeat the call.
  not_implemented: define<{ subject: string; operation: string }>({
    kind: 'forbidden',
    message: (p) => `${p.subject} are not implemented in this version of Martlet: ${p.operation}`,
    fix: 'No permission changes this. docs/compatibility/agentmail.md lists what this version has.',
  }),

  // Resources
  not_found: define<{ what: string }>({ kind: 'not_found', message: (p) => `${p.what} not found` }),
  method_not_allowed: define<{ method: string; allowed: string }>({
    kind: 'not_found',
    message: (p) => `This path does not support ${p.method}, only ${p.allowed}`,
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
    fix: 'Delete one that is no longer needed.',
  }),
  webhook_disabled: define({
    kind: 'conflict',
    message: () => 'The webhook is disabled',
    fix: 'Enable it with PATCH {"enabled": true}, then retry.',
  }),
  event_not_told: define({
    kind: 'conflict',
    message: () => 'The webhook is no longer subscribed to this event, or the event was purged',
    fix: 'Check the event types, inboxes and pods of the webhook, and the permissions of the key that last changed it.',
  }),
  replay_running: define({
    kind: 'conflict',
    message: () => 'An earlier replay of this webhook is still in progress',
    fix: 'Retry in a moment.',
  }),
  range_expired: define<{ from: string }>({
    kind: 'invalid',
    message: (p) => `The event log goes back only to ${p.from}`,
    fix: 'Start there, and read older messages from the lists.',
  }),
  rate_limit_exceeded: define<{ what: string; max: number; period: string; retryAfterSeconds: number }>({
    kind: 'rate_limited',
    message: (p) => `Too many ${p.what}: at most ${p.max} per ${p.period}`,
    fix: 'Wait as long as the header Retry-After says.',
  }),
  too_many_at_once: define<{ what: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `Too many ${p.what} are already running: at most ${p.max}, which are divided among pods`,
    fix: 'Retry in a moment.',
  }),
  too_many_connections: define<{ what: string; max: number }>({
    kind: 'rate_limited',
    message: (p) => `This API key already has ${p.max} open ${p.what}, which is the maximum`,
    fix: 'Close one that is no longer needed, or use another key.',
  }),
  too_many_frames: define<{ perSecond: number }>({
    kind: 'rate_limited',
    message: (p) => `This WebSocket sends more than ${p.perSecond} frames per second; the frame was ignored`,
    fix: 'Put everything into one subscribe frame, and wait for the response before you send the next. If this continues, the socket is closed.',
  }),
  resource_deleting: define<{ what: string }>({
    kind: 'conflict',
    message: (p) => `${p.what} is being deleted`,
  }),
  domain_not_verified: define<{ domain: string }>({
    kind: 'unprocessable',
    message: (p) => `The domain "${p.domain}" is not verified`,
    fix: 'Publish its DNS records, and verify it with POST /v0/domains/{domain_id}/verify.',
  }),
  domain_check_failed: define<{ domain: string }>({
    kind: 'unprocessable',
    message: (p) => `The DNS servers do not answer for "${p.domain}"`,
    fix: 'The check is repeated by itself. If this continues, look at the name servers of the domain.',
  }),
  conflicting_provider: define<{ domain: string; provider: string }>({
    kind: 'unprocessable',
    message: (p) =>
      `Mail for "${p.domain}" is received by ${p.provider}; if its MX record changes, it arrives there no more`,
    fix: 'Use a subdomain, set inbound_enabled to false, or send allow_conflicting_provider: true.',
  }),
  domain_not_available: define<{ domain: string }>({
    kind: 'unprocessable',
    message: (p) => `This key cannot create inboxes in the domain "${p.domain}"`,
    fix: 'Omit the domain to use the shared one.',
  }),
  thread_too_large: define<{ messagesMax: number }>({
    kind: 'unprocessable',
    message: (p) => `The labels of a thread with ${p.messagesMax} or more messages cannot be changed in one call`,
    fix: 'Change the labels of each message.',
  }),
  query_range_too_wide: define<{ detail: string }>({
    kind: 'unprocessable',
    message: (p) => p.detail,
    fix: 'Ask for a shorter time range, or for a longer period.',
  }),

  // Sending
  no_recipients: define<{ detail?: string }>({
    kind: 'unprocessable',
    message: (p) => p.detail ?? 'The message has no recipients',
    fix: 'Give at least one address in to, cc or bcc.',
  }),
  too_many_recipients: define<{ recipientsMax: number }>({
    kind: 'invalid',
    message: (p) => `A message can have at most ${p.recipientsMax} recipients in to, cc and bcc together`,
    fix: 'Send several messages.',
  }),
  message_rejected: define<{ detail: string; refusals?: readonly ListRefusal[] }>({
    kind: 'rejected',
    message: (p) => `Message rejected: ${p.detail}`,
  }),
  automatic_loop: define({
    kind: 'rejected',
    message: () => 'The answered message was written by a program: an automatic answer to it would make a loop',
    fix: 'Do not answer it, or let a person write the answer, without the header Auto-Submitted.',
  }),
  inbox_paused: define<{ address: string }>({
    kind: 'rejected',
    message: (p) => `The inbox ${p.address} is paused`,
    fix: 'Set its status to active, or use another inbox.',
  }),
  draft_sending: define({
    kind: 'conflict',
    message: () => 'The draft is being sent',
    fix: 'Retry in a moment. A draft that was sent is gone, and its message is in the inbox.',
  }),
  draft_changed: define({
    kind: 'conflict',
    message: () => 'Another call has just changed the draft; nothing was changed or sent by this one',
    fix: 'Read the draft again, then retry.',
  }),
  idempotency_conflict: define<{ detail: string; isRunning?: boolean }>({
    kind: 'conflict',
    message: (p) => p.detail,
  }),
  sender_not_allowed: define<{ sender: string }>({
    kind: 'forbidden',
    message: (p) => `Sender not authorized: ${p.sender === '' ? '<>' : p.sender} is not the address of this login`,
    fix: 'Send from the address of the inbox, with or without a plus tag.',
  }),
  author_not_allowed: define<{ detail: string }>({
    kind: 'forbidden',
    message: (p) => `Sender not authorized: ${p.detail}`,
    fix: 'Write the address of the inbox into From, alone, with or without a plus tag.',
  }),
  malformed_message: define<{ detail: string }>({
    kind: 'invalid',
    message: (p) => `The message cannot be sent: ${p.detail}`,
  }),

  // Receiving
  unknown_recipient: define<{ address: string }>({
    kind: 'not_found',
    message: (p) => `There is no mailbox ${p.address} here`,
  }),
  mail_loop: define<{ hopsMax: number }>({
    kind: 'rejected',
    message: (p) => `Mail loop: the message has gone through more than ${p.hopsMax} servers`,
  }),
  dmarc_rejected: define<{ domain: string }>({
    kind: 'rejected',
    message: (p) => `The DMARC policy of ${p.domain} rejects this message: neither SPF nor DKIM passes for that domain`,
    fix: 'Send it through the servers of that domain, or sign it with DKIM for that domain.',
  }),
  relaying_denied: define<{ domain: string }>({
    kind: 'rejected',
    message: (p) => `Relaying denied: this server accepts no mail for ${p.domain}`,
    fix: 'Send it to the mail servers (MX) of that domain.',
  }),

  // Server and environment
  unavailable: define<{ detail?: string }>({
    kind: 'temporary',
    message: () => 'The service cannot store anything at the moment; nothing was changed',
    fix: 'Retry in a few seconds.',
  }),
  parse_queue_full: define({
    kind: 'temporary',
    message: () => 'Too many messages are waiting to be parsed; nothing was changed',
    fix: 'Retry in a minute.',
  }),
  disk_full: define({
    kind: 'temporary',
    message: () => 'The disk is nearly full; nothing was changed',
    fix: 'The operator must free or add disk space.',
  }),
  shutting_down: define({
    kind: 'temporary',
    message: () => 'The server is shutting down; nothing was changed',
    fix: 'Retry in a few seconds.',
  }),
  outcome_unknown: define({
    kind: 'unknown',
    message: () =>
      'The connection to the database broke during a commit, and the server stopped before the outcome was known',
    fix: 'No caller gets this error: the connection is closed without a response.',
  }),
  internal_error: define({
    kind: 'internal',
    message: () => 'Internal error; the details are in the server log',
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

/** Whether a retry can succeed without a change to the request: the disk, the database or the server's state failed. */
export function isTemporary(error: unknown): error is MailError {
  return error instanceof MailError && error.kind === 'temporary'
}

/** Aborts the start: configuration, data folder or port. Its message is the sentence that the operator reads. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}
