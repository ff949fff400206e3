/**
 * Parses query strings of AgentMail's clients. Lists have four encodings: a JSON array (Node, Python), a repeated key,
 * a comma-separated text (the Go CLI) and `key[]` or `key[0]` (docs/compatibility/agentmail.md).
 */
import { type TSchema, Type } from 'typebox'
import type { PageRequest } from '../../../../mail/access/paging/page-tokens.ts'
import { type HiddenLabel, hiddenClasses } from '../../../../mail/access/permissions.ts'
import type { HttpApp } from '../../server/http-dialect.ts'
import { refuseNul } from '../../server/requests/query-nul.ts'
import { readTime } from '../../server/requests/read-time.ts'
import {
  PARAMETERS,
  reportUnknown,
  type UnknownMember,
  unknownQueryParameters,
} from '../../server/requests/unknown-members.ts'
import { EventType, filterList, filterText, label, timeText } from './wire/request-texts.ts'

/** Parameters that are lists on every route of this API. */
const LISTS: ReadonlySet<string> = new Set([
  'labels',
  'from',
  'to',
  'subject',
  'senders',
  'recipients',
  'event_types',
  'inbox_ids',
  'pod_ids',
  'usage_types',
  'rate_types',
])

/** Normalises the query of each request to these routes, and reports parameters that the route does not know. */
export function normaliseQueries(app: HttpApp): void {
  app.addHook('preValidation', (request, reply, next) => {
    const query = normaliseQuery(request.query as RawQuery)
    reportUnknown(request, reply, PARAMETERS, unknownParameters(query, request.routeOptions.schema?.querystring))
    request.query = query
    next()
  })
}

type RawQuery = Readonly<Record<string, string | string[]>>

/**
 * Normalises a query before validation: decodes lists, and renames `last_key` of the oldest clients to `page_token`.
 *
 * @throws validation_error for a NUL
 */
export function normaliseQuery(raw: RawQuery): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null) // a parameter may be named "__proto__"
  for (const [key, value] of Object.entries(raw)) {
    refuseNul(key, value)
    const name = key.replace(/\[\d{0,4}\]$/, '')
    if (!LISTS.has(name)) query[key] = value
    else {
      const list = readList(value)
      refuseNul(name, list) // JSON can escape it
      query[name] = [...((query[name] as string[] | undefined) ?? []), ...list]
    }
  }
  query.page_token ??= query.last_key
  if (!query.page_token) delete query.page_token // some clients send an empty one for the first page
  return query
}

/** Parameters that clients send and no schema has: an older name, and a flag without effect. */
const KNOWN: ReadonlySet<string> = new Set(['last_key', 'permanent', 'api_key'])

/** As `unknownQueryParameters`. @param query normalised */
export function unknownParameters(query: object, schema: unknown): UnknownMember[] {
  return unknownQueryParameters(query, schema, KNOWN)
}

function readList(value: string | string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => readJsonList(item) ?? [item])
  return readJsonList(value) ?? (value === '' ? [] : value.split(',').map((item) => item.trim()))
}

function readJsonList(text: string): string[] | undefined {
  if (!/^[["]/.test(text)) return undefined
  try {
    const list: unknown = JSON.parse(text)
    if (typeof list === 'string') return [list] // Node's client quotes a plain text if its types require a list
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined
  } catch {
    return undefined // "[ext] Hello" is a subject, not JSON
  }
}

/** The largest integer of a query: 15 digits (validation.ts). */
export const INTEGER_MAX = 999_999_999_999_999

export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'Items per page; reduced to the maximum of the list if it is larger.',
      rule: { maximum: INTEGER_MAX },
    }),
  ),
  page_token: Type.Optional(Type.String({ description: '`next_page_token` of the previous page.' })),
  ascending: Type.Optional(Type.Boolean({ description: 'Oldest first.' })),
}

interface PageQuery {
  readonly limit?: number
  readonly page_token?: string
  readonly ascending?: boolean
}

export function readPage(query: PageQuery): PageRequest {
  return { limit: query.limit, pageToken: query.page_token, ascending: query.ascending }
}

function filterListOf(item: TSchema, description: string) {
  return Type.Optional(Type.Unsafe<string[]>(Type.Array(item, { description, rule: filterList })))
}

export const substringList = filterListOf(Type.String({ rule: filterText }), 'Substrings, all of which must occur.')

/** Beyond the schema: a search for substrings looks at each message of a page. */
export const substringRules = ['limit can be at most … here']

/** Which hidden classes to include. */
export const hiddenFilters = {
  include_spam: Type.Optional(Type.Boolean()),
  include_blocked: Type.Optional(Type.Boolean()),
  include_unauthenticated: Type.Optional(Type.Boolean()),
  include_trash: Type.Optional(Type.Boolean()),
}

/** Filters of messages and threads, except by time. */
export const mailFilters = {
  labels: filterListOf(Type.String({ rule: label }), 'Labels, all of which must be present.'),
  ...hiddenFilters,
  subject: substringList,
}

export const timeFilters = {
  before: Type.Optional(timeText('ISO 8601, exclusive.')),
  after: Type.Optional(timeText('ISO 8601, exclusive.')),
}

/** Of each list with `labels`. */
export const misnamedLabel = { label: 'write labels' }

/** Of the lists of messages and threads. They would return everything. @param search where to search instead */
export function misnamedFilters(search: string) {
  return { misnamed: { ...misnamedLabel, q: search } }
}

/** Query parameters of every list of messages or threads. */
export const mailQuery = { ...pageQuery, ...timeFilters, ...mailFilters }

type HiddenFilter = { readonly [Key in `include_${HiddenLabel}`]?: boolean }

export function readHiddenFilter(query: HiddenFilter): HiddenLabel[] {
  return hiddenClasses.map((hidden) => hidden.label).filter((label) => query[`include_${label}`])
}

type MailQuery = HiddenFilter & {
  readonly labels?: readonly string[]
  readonly before?: string
  readonly after?: string
  readonly subject?: readonly string[]
}

/** Parses the filters that messages and threads share. @throws validation_error for an invalid date */
export function readMailFilter(query: MailQuery) {
  return {
    labels: query.labels,
    before: readTime('before', query.before),
    after: readTime('after', query.after),
    include: readHiddenFilter(query),
    subject: query.subject,
  }
}

function listOf(item: TSchema, description: string) {
  return Type.Optional(Type.Unsafe<string[]>(Type.Array(item, { description })))
}

/** Beyond the schema of a subscription filter. */
export const eventFilterRules = [
  'A connection can have at most',
  'A webhook can have at most …',
  'A request can have at most',
]

/** A subscription filter, with the fields of a subscribe frame on the WebSocket. */
export const eventFilterQuery = {
  event_types: listOf(
    EventType,
    'Default: the standard types. GET `/v0/capabilities` says which nothing creates yet, such as `message.opened`.',
  ),
  inbox_ids: listOf(Type.String(), 'Addresses. With `pod_ids`, events of both are returned.'),
  pod_ids: listOf(Type.String(), 'Ids or client_ids.'),
}

interface EventFilterQuery {
  readonly event_types?: readonly string[]
  readonly inbox_ids?: readonly string[]
  readonly pod_ids?: readonly string[]
}

export function readEventFilter({ event_types, inbox_ids, pod_ids }: EventFilterQuery) {
  return { eventTypes: event_types, inboxIds: inbox_ids, podIds: pod_ids }
}

/** Parses a date or a cursor. No cursor begins like a date. */
export function readTimeOrCursor(name: string, text: string | undefined): number | string | undefined {
  return text === undefined || /^\d{4}-/.test(text) ? readTime(name, text) : text
}
