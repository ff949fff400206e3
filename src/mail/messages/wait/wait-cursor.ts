/**
 * The position of a client that waits for messages. The client first gets the messages that were in the inbox at a
 * position in the log, and then those that the log reports after it. The text form is the cursor that clients pass as
 * `after`: simply the cursor of an event, if neither the list nor `since` matters any more.
 */
import { MailError } from '../../../errors.ts'
import type { PagePosition } from '../../access/paging/page-tokens.ts'

export interface WaitPosition {
  /** The last event examined; while `listing` is set, the log position at which the list is read. */
  readonly seq: number
  readonly cursor: string
  /** Position in that list, oldest first; undefined when all of it was examined. */
  readonly listing?: PagePosition | 'start' | undefined
  /** The number of the newest message at that log position. Without it, as in older cursors, each message is looked up in the log. */
  readonly newest?: number | undefined
  /** Epoch ms, exclusive: older messages do not match. */
  readonly since?: number | undefined
}

/** No event's cursor contains a dot. */
const MARK = 'w.'

export function formatWaitCursor({ cursor, listing, newest, since }: WaitPosition): string {
  if (listing === undefined && since === undefined) return cursor
  const at = listing === undefined || listing === 'start' ? listing : [listing.key, listing.id]
  const json = JSON.stringify([
    cursor,
    since ?? null,
    at ?? null,
    ...(at !== undefined && newest !== undefined ? [newest] : []),
  ])
  return MARK + Buffer.from(json).toString('base64url')
}

/**
 * @returns the event's cursor and the other fields
 * @throws validation_error for a wait cursor that is malformed; the event's cursor is not checked
 */
export function parseWaitCursor(text: string): Omit<WaitPosition, 'seq'> {
  if (!text.startsWith(MARK)) return { cursor: text }
  const fields = readJson(Buffer.from(text.slice(MARK.length), 'base64url').toString())
  if (Array.isArray(fields) && (fields.length === 3 || fields.length === 4)) {
    const [cursor, since, at, newest] = fields as unknown[]
    const listing = readListing(at)
    const areWhole = (since === null || isWhole(since)) && (newest === undefined || isWhole(newest))
    if (typeof cursor === 'string' && areWhole && listing !== null) {
      return { cursor, listing, newest: newest as number | undefined, since: (since as number | null) ?? undefined }
    }
  }
  throw new MailError('validation_error', {
    detail: 'after must be a cursor from this server or an ISO 8601 time',
    path: ['after'],
  })
}

/** @returns null for an invalid value */
function readListing(at: unknown): WaitPosition['listing'] | null {
  if (at === null) return undefined
  if (at === 'start') return at
  if (!Array.isArray(at) || at.length !== 2) return null
  const [key, id] = at as unknown[]
  return isWhole(key) && typeof id === 'string' ? { key, id } : null
}

/** Whether a value can be part of a position: a database query would fail with a fraction or a larger number. */
function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
