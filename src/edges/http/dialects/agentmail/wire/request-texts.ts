/**
 * Texts that requests contain, with the rules that the core checks, for the API description (`rule`, in
 * openapi-schemas.ts). The core enforces them for all dialects; here they are only shown.
 */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import { subscribableTypes } from '../../../../../mail/events/log/event-types.ts'
import { TIME_EXPECTED } from '../../../server/requests/read-time.ts'

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const DOMAIN = `(?:${LABEL}\\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
const ADDRESS = `${ATOM}(?:\\.${ATOM})*@${DOMAIN}`

export const clientId = { pattern: '^[A-Za-z0-9._~-]{1,256}$', maxLength: 256 }
export const domainName = { pattern: `^${DOMAIN}$`, maxLength: 253 }
/** As a filter: also a name without a dot. */
export const domainFilter = { pattern: `^(?:${LABEL}\\.)*${LABEL}$`, maxLength: 253 }
export const emailAddress = { pattern: `^${ADDRESS}$`, maxLength: 254 }
export const addressOrDomain = { pattern: `^(?:${ADDRESS}|${DOMAIN})$`, maxLength: 254 }
export const isoTime = { format: 'date-time' }
/** RFC 9110 §5.1 and §5.5. */
export const headerName = { pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" }
export const headerValue = { pattern: '^[!-~](?:[\\t -~]*[!-~])?$' }

/** `maxLength` counts characters, and the rule bytes: names with other letters than those of ASCII have fewer characters. Other rules for names are in docs/compatibility/agentmail.md: `rules` of the routes. */
export const username = {
  pattern: '^[^\\s\\u0000-\\u001f@+"/%?#.,:;<>()\\[\\]\\\\]+(?:\\.[^\\s\\u0000-\\u001f@+"/%?#.,:;<>()\\[\\]\\\\]+)*$',
  maxLength: 64,
}
export const usernameRules = [
  'username must have 1 to 64 bytes in UTF-8: …',
  'username contains …',
  'username mixes letters of several scripts…',
]

export const displayName = ({ messages }: Limits) => ({
  pattern: '^[^\\u0000-\\u001f\\u007f]*$',
  maxLength: messages.displayNameCharsMax,
})
export const objectName = ({ messages }: Limits) => ({
  minLength: 1,
  maxLength: messages.displayNameCharsMax,
  pattern: '\\S',
})
export const label = ({ messages }: Limits) => ({ minLength: 1, maxLength: messages.labelCharsMax, pattern: '\\S' })
export const labelRules = [
  'A label must have 1 to … characters and no NUL',
  'The label … is set by the system and cannot be added or removed',
  'A message can have at most …',
]

export const searchText = ({ search }: Limits) => ({ minLength: 1, maxLength: search.queryCharsMax, pattern: '\\S' })
export const filterText = ({ lists }: Limits) => ({ maxLength: lists.filterCharsMax })
export const filterList = ({ lists }: Limits) => ({ maxItems: lists.filterValuesMax })

export const EventType = Type.String({
  title: 'EventType',
  description: 'What happened (docs/events.md).',
  rule: () => ({ enum: subscribableTypes }),
})

/** A time in a request. */
export function timeText(description: string) {
  return Type.String({ description, rule: isoTime, expected: TIME_EXPECTED })
}
