/**
 * How far somebody who waits for messages has looked: in the list of the inbox, as it was at a place of the log, and then
 * in the log from there on. As text it is what is given back as `after`: an event's cursor where that says it all.
 */
import { MailError } from '../../errors.ts'
import type { Position } from '../access/paging.ts'

export interface WaitPlace {
  /** Of the last event looked at; while `listing` is there, of the moment whose list is looked at. */
  readonly seq: number
  readonly cursor: string
  /** Where in that list, oldest first; undefined when all of it was looked at. */
  readonly listing?: Position | 'start' | undefined
  /** Epoch ms, exclusive: older messages are not waited for. */
  readonly since?: number | undefined
}

/** No event's cursor has a dot. */
const MARK = 'w.'

export function formatPlace({ cursor, listing, since }: WaitPlace): string {
  if (listing === undefined && since === undefined) return cursor
  const at = listing === undefined || listing === 'start' ? listing : [listing.key, listing.id]
  const json = JSON.stringify([cursor, since ?? null, at ?? null])
  return MARK + Buffer.from(json).toString('base64url')
}

/**
 * @returns the event's cursor and what else there was
 * @throws validation_error for what is neither; the cursor itself is not looked at
 */
export function parsePlace(text: string): Omit<WaitPlace, 'seq'> {
  if (!text.startsWith(MARK)) return { cursor: text }
  const fields = readJson(Buffer.from(text.slice(MARK.length), 'base64url').toString())
  if (Array.isArray(fields) && fields.length === 3) {
    const [cursor, since, at] = fields as unknown[]
    const listing = readListing(at)
    if (typeof cursor === 'string' && (since === null || isWhole(since)) && listing !== null) {
      return { cursor, listing, since: since ?? undefined }
    }
  }
  throw new MailError('validation_error', {
    detail: 'after must be a cursor that this server gave, or an ISO 8601 time',
    path: ['after'],
  })
}

/** @returns null for what is none */
function readListing(at: unknown): WaitPlace['listing'] | null {
  if (at === null) return undefined
  if (at === 'start') return at
  if (!Array.isArray(at) || at.length !== 2) return null
  const [key, id] = at as unknown[]
  return isWhole(key) && typeof id === 'string' ? { key, id } : null
}

/** What a place of ours holds; a database would stumble over another number. */
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
