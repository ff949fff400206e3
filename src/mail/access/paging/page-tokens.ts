/**
 * Pages of lists: keyset paging with opaque tokens. A token contains the sort key of the last row examined and a hash
 * of the list's filter, so that it cannot be used with another list by mistake.
 */
import { createHash } from 'node:crypto'
import { MailError } from '../../../errors.ts'

export interface PageRequest {
  /** Positive. A larger value is cut to the list's maximum, or refused if the list is strict. */
  readonly limit?: number | undefined
  readonly pageToken?: string | undefined
  /** Oldest first. By default, lists that are sorted by time are newest first. */
  readonly ascending?: boolean | undefined
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** The limit that was applied. */
  readonly limit: number
  /** Absent at the end. An empty page may have one: no row that it was allowed to examine matched the filter. */
  readonly nextPageToken?: string
}

/** Sort key of the last row examined: the list's time or number, in full, and the id that breaks ties. */
export interface PagePosition {
  readonly key: number
  readonly id: string
}

/** A page request with all defaults applied, in the form that the tables accept. */
export interface PageWindow {
  readonly limit: number
  readonly ascending: boolean
  readonly after?: PagePosition
}

/**
 * @param filter everything that selects the list's rows (scope, filters, direction): JSON-serialisable
 * @throws invalid_page_token for a damaged token or one of another filter; validation_error over a strict maximum
 */
export function openPage(
  request: PageRequest,
  filter: unknown,
  bounds: { default: number; max: number; isStrict?: boolean },
): PageWindow {
  if (bounds.isStrict && (request.limit ?? 0) > bounds.max) {
    throw new MailError('validation_error', { detail: `limit can be at most ${bounds.max} here`, path: ['limit'] })
  }
  const limit = Math.min(request.limit ?? bounds.default, bounds.max)
  const ascending = request.ascending ?? false
  if (request.pageToken === undefined) return { limit, ascending }
  const after = decodeToken(request.pageToken, filterHash({ filter, ascending }))
  if (!after) throw new MailError('invalid_page_token', {})
  return { limit, ascending, after }
}

/** @param last the last row examined, if more rows are left to examine; else undefined */
export function closePage<Item>(
  items: readonly Item[],
  window: PageWindow,
  filter: unknown,
  last: PagePosition | undefined,
): Page<Item> {
  if (!last) return { items, limit: window.limit }
  const token = encodeToken(last, filterHash({ filter, ascending: window.ascending }))
  return { items, limit: window.limit, nextPageToken: token }
}

const TOKEN_VERSION = 1

function encodeToken(position: PagePosition, hash: string): string {
  return Buffer.from(JSON.stringify([TOKEN_VERSION, hash, position.key, position.id])).toString('base64url')
}

function decodeToken(token: string, hash: string): PagePosition | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    return undefined // not a token of ours; the caller words the error
  }
  if (!Array.isArray(fields) || fields.length !== 4) return undefined
  const [version, tokenHash, key, id] = fields as unknown[]
  if (version !== TOKEN_VERSION || tokenHash !== hash) return undefined
  if (!Number.isSafeInteger(key) || typeof id !== 'string') return undefined // a database query would fail on it
  return { key: key as number, id }
}

function filterHash(filter: unknown): string {
  return createHash('sha256').update(JSON.stringify(filter)).digest('base64url').slice(0, 12)
}
