/**
 * Opaque places in the event log: base64url of `version.epoch.seq`. A cursor is the number of the last event that was
 * told; what follows is what its holder has not heard.
 *
 * The epoch names the log: numbers of another log (a database made anew) mean nothing here, and continuing from them
 * would skip or repeat in silence.
 */
import { MailError } from '../../errors.ts'

const VERSION = 1
const FORM = /^(\d{1,3})\.([^.]{1,64})\.(\d{1,16})$/

/** Longer texts are not decoded at all. */
const CURSOR_CHARS_MAX = 200

/** The log as of now: events in (floorSeq, lastSeq] are there. */
export interface LogBounds {
  readonly epoch: string
  readonly floorSeq: number
  readonly lastSeq: number
}

export function formatCursor(epoch: string, seq: number): string {
  return Buffer.from(`${VERSION}.${epoch}.${seq}`).toString('base64url')
}

/**
 * @returns the number after which to go on
 * @throws validation_error when it is none of ours; cursor_expired when events after it are gone, or the log is another
 */
export function parseCursor(cursor: string, log: LogBounds): number {
  const [, version, epoch, digits] = FORM.exec(decode(cursor)) ?? []
  const seq = Number(digits)
  if (version === undefined || !Number.isSafeInteger(seq)) {
    throw new MailError('validation_error', { detail: 'The cursor is not one that this server gave' })
  }
  // A number beyond the end was given before the database was set back, so what followed it is gone as well.
  if (Number(version) !== VERSION || epoch !== log.epoch || seq < log.floorSeq || seq > log.lastSeq) {
    throw new MailError('cursor_expired', {})
  }
  return seq
}

/** Empty for what is not base64url as we write it: Buffer would pass over characters that do not belong there. */
function decode(cursor: string): string {
  if (cursor.length > CURSOR_CHARS_MAX) return ''
  const bytes = Buffer.from(cursor, 'base64url')
  return bytes.toString('base64url') === cursor ? bytes.toString() : ''
}
