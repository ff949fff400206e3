/** Errors of requests: their form, their paging, and what they may ask for. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const requestErrors = {
  validation_error: define<{
    detail: string
    path?: readonly (string | number)[]
    /** What to do about it, if the detail alone does not say. */
    fix?: string
    /** It is about a name that the route does not know. */
    isOfUnknown?: boolean
  }>({
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
    fix: 'Send less in one request; base64 makes an attachment a third larger. The operator can raise MARTLET_BODY_BYTES_MAX, or MARTLET_MESSAGE_BYTES_MAX for sends and drafts.',
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
    message: () => 'All memory for large messages is in use',
    fix: 'Retry in a few seconds, request fewer large messages at the same time, and read each response to its end without pauses.',
  }),
  message_too_large: define<{ limitBytes: number }>({
    kind: 'too_large',
    message: (p) => `The message is larger than ${p.limitBytes} bytes`,
    fix: 'Send smaller or fewer attachments; base64 makes each a third larger. The operator can raise MARTLET_MESSAGE_BYTES_MAX.',
  }),
  cursor_expired: define({
    kind: 'invalid',
    message: () => 'The cursor has expired: its events were purged, or the database was restored from a backup',
    fix: 'Read the lists that you need once, then continue with after=latest, or with after=earliest for all events that are kept.',
  }),
} as const
