/**
 * Cursors: opaque positions in the event log, base64url of `version.epoch.seq.mark`. A cursor identifies the last event
 * that a client received; the client has not received the events after it. log-position.ts checks that the position
 * exists.
 *
 * The epoch identifies the log: numbers of another log (a new database) have no meaning here, and continuing from them
 * would skip or repeat events silently. The mark is the end of the event's id: a log that was restored from a backup
 * gives the same numbers to other events, and the mark reveals that (docs/adr/0020).
 */
import { MailError } from '../../../errors.ts'

const VERSION = 1
const FORM = /^(\d{1,3})\.([^.]{1,64})\.(\d{1,16})\.([\da-f]{0,12})$/

/** Longer texts are not decoded. */
const CURSOR_CHARS_MAX = 200
/** Length of the mark: random characters at the end of an event's id. */
const MARK_CHARS = 12

/** The position of an event in the log, or the position before the first event. */
export interface LogPosition {
  readonly seq: number
  /** null: the position is before the first event. */
  readonly eventId: string | null
}

export function formatCursor(epoch: string, { seq, eventId }: LogPosition): string {
  return Buffer.from(`${VERSION}.${epoch}.${seq}.${markOf(eventId)}`).toString('base64url')
}

/** @throws validation_error if it is not one of our cursors; cursor_expired if it belongs to another log or version */
export function parseCursor(cursor: string, epochNow: string): { readonly seq: number; readonly mark: string } {
  const [, version, epoch, digits, mark = ''] = FORM.exec(decode(cursor)) ?? []
  const seq = Number(digits)
  if (version === undefined || !Number.isSafeInteger(seq)) {
    throw new MailError('validation_error', {
      detail: 'The cursor is invalid',
      path: ['after'],
      fix: 'Send the `cursor` of an event (in a stream of server-sent events, its `id`), not its event_id.',
    })
  }
  if (Number(version) !== VERSION || epoch !== epochNow) throw new MailError('cursor_expired', {})
  return { seq, mark }
}

export function markOf(eventId: string | null): string {
  return eventId === null ? '' : eventId.slice(-MARK_CHARS)
}

/** Decodes base64url; returns '' unless the text is exactly as we encode it: Buffer would ignore invalid characters. */
function decode(cursor: string): string {
  if (cursor.length > CURSOR_CHARS_MAX) return ''
  const bytes = Buffer.from(cursor, 'base64url')
  return bytes.toString('base64url') === cursor ? bytes.toString() : ''
}
