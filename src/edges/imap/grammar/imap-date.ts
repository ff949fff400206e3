/** Dates of IMAP (RFC 9051 §9): date and date-time, read and written. */
import { ImapSyntaxError } from './imap-syntax.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH_NUMBERS = new Map(MONTHS.map((name, index) => [name.toUpperCase(), index]))

/** @param text "1-Feb-1994" @returns "1994-02-01" */
export function parseDay(text: string): string {
  const [, day, month, year] = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(text) ?? []
  const index = MONTH_NUMBERS.get(month?.toUpperCase() ?? '')
  if (index === undefined) throw new ImapSyntaxError('a date must be like 1-Feb-1994')
  const at = Date.UTC(Number(year), index, Number(day))
  if (new Date(at).getUTCDate() !== Number(day)) throw new ImapSyntaxError('this day does not exist')
  return `${year}-${String(index + 1).padStart(2, '0')}-${day!.padStart(2, '0')}`
}

/** @param text " 1-Feb-1994 21:52:25 -0800" @returns epoch ms */
export function parseDateTime(text: string): number {
  const match = /^([ \d]?\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/.exec(text)
  if (!match) throw new ImapSyntaxError('a date-time must be like "17-Jul-1996 02:44:25 -0700"')
  const [, day, month, year, hour, minute, second, sign, zoneHours, zoneMinutes] = match
  const date = parseDay(`${day!.trim()}-${month}-${year}`)
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)]
  if (hours > 23 || minutes > 59 || seconds > 60 || Number(zoneMinutes) > 59) {
    throw new ImapSyntaxError('this time does not exist')
  }
  const zoneMs = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60_000 * (sign === '-' ? -1 : 1)
  return Date.parse(`${date}T00:00:00Z`) + ((hours * 60 + minutes) * 60 + seconds) * 1000 - zoneMs
}

/** @returns in UTC, with its quotes */
export function formatDateTime(epochMs: number): string {
  const date = new Date(epochMs)
  const day = String(date.getUTCDate()).padStart(2, ' ')
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(twoDigits).join(':')
  return `"${day}-${MONTHS[date.getUTCMonth()]}-${year} ${time} +0000"`
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}
