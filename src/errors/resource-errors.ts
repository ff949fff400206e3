/** Errors of the things that callers name. Part of ../errors.ts. */
import { define } from './error-definition.ts'

/** What is left to an API key, for the header fields of a response. */
export interface RequestRate {
  /** Requests per minute. */
  readonly limit: number
  /** Requests that could follow at once. */
  readonly remaining: number
  /** When `remaining` is `limit` again, epoch ms. */
  readonly resetAt: number
}

export interface RateExceeded {
  readonly what: string
  readonly max: number
  readonly period: string
  readonly retryAfterSeconds: number
  /** If requests are what was counted. */
  readonly rate?: RequestRate
  /** The key of the request, for the log. */
  readonly apiKeyId?: string
}

export const resourceErrors = {
  // Clients compare the message, so a dialect shows the name elsewhere.
  not_found: define<{ what: string; name?: string; fix?: string }>({
    kind: 'not_found',
    message: (p) => `${p.what} not found`,
  }),
  method_not_allowed: define<{ method: string; allowed: string }>({
    kind: 'not_found',
    message: (p) => `This path does not support ${p.method}, only ${p.allowed}`,
  }),
  resource_taken: define<{ what: string; fix?: string }>({
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
    endsByItself: true,
  }),
  range_expired: define<{ from: string }>({
    kind: 'invalid',
    message: (p) => `The event log goes back only to ${p.from}`,
    fix: 'Start there, and read older messages from the lists.',
  }),
  rate_limit_exceeded: define<RateExceeded>({
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
    fix: 'Wait until it is gone (GET gets 404), then repeat the request; this takes seconds, or minutes for much mail.',
    endsByItself: true,
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
    fix: 'Omit the domain to use the shared one, or add the domain with POST /v0/domains and verify it.',
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
  replay_too_wide: define<{ eventsMax: number }>({
    kind: 'unprocessable',
    message: (p) => `The log has more than ${p.eventsMax} events of all tenants in this time range`,
    fix: 'Replay shorter time ranges, one after another.',
  }),
} as const
