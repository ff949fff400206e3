/**
 * Opaque places in the event log: base64url of `version.epoch.seq.mark`. A cursor names the last event that was told;
 * what follows is what its holder has not heard. Whether the place is there, position.ts says.
 *
 * The epoch names the log: numbers of another log (a database made anew) mean nothing here, and continuing from them
 * would skip or repeat in silence. The mark is the end of the event's id: a log that was set back to an older copy gives
 * the same numbers to other events, and is recognised by it (docs/adr/0020).
 */
import { MailError } from '../../errors.ts'

const VERSION = 2
const FORM = /^(\d{1,3})\.([^.]{1,64})\.(\d{1,16})(?:\.([\da-f]{0,12}))?$/

/** Longer texts are not decoded at all. */
const CURSOR_CHARS_MAX = 200
/** Random ones, at the end of an event's id. */
const MARK_CHARS = 12

/** An event's place in the log, or the place before the first one. */
export interface Position {
  readonly seq: number
  /** null: there is none, or it was removed before anybody noted which it was. */
  readonly eventId: string | null
}

export function formatCursor(epoch: string, { seq, eventId }: Position): string {
  return Buffer.from(`${VERSION}.${epoch}.${seq}.${markOf(eventId)}`).toString('base64url')
}

/** @throws validation_error when it is none of ours; cursor_expired when it is of another log or version */
export function parseCursor(cursor: string, epochNow: string): { readonly seq: number; readonly mark: string } {
  const [, version, epoch, digits, mark] = FORM.exec(decode(cursor)) ?? []
  const seq = Number(digits)
  if (version === undefined || !Number.isSafeInteger(seq)) {
    throw new MailError('validation_error', { detail: 'The cursor is not one that this server gave' })
  }
  if (Number(version) !== VERSION || epoch !== epochNow || mark === undefined) {
    throw new MailError('cursor_expired', {})
  }
  return { seq, mark }
}

export function markOf(eventId: string | null): string {
  return eventId === null ? '' : eventId.slice(-MARK_CHARS)
}

/** Empty for what is not base64url as we write it: Buffer would pass over characters that do not belong there. */
function decode(cursor: string): string {
  if (cursor.length > CURSOR_CHARS_MAX) return ''
  const bytes = Buffer.from(cursor, 'base64url')
  return bytes.toString('base64url') === cursor ? bytes.toString() : ''
}
