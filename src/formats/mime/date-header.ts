/**
 * Parses the Date field (RFC 5322 §3.3). `Date.parse` does not fit: it interprets a date without a zone in the time
 * zone of the server, and accepts text that is not a date in mail.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/**
 * RFC 5322 §4.3: minutes east of UTC. The one-letter military zones were used with both signs, so they count as UTC.
 */
const OBSOLETE_ZONES: Readonly<Record<string, number>> = {
  edt: -240,
  est: -300,
  cdt: -300,
  cst: -360,
  mdt: -360,
  mst: -420,
  pdt: -420,
  pst: -480,
}

/** Day, month, year, hour, minute, second, zone. Every repetition is limited, so that matching takes linear time. */
const DATE_TIME =
  /^(?:[a-z]{2,9}\.?,?\s{1,8})?(\d{1,2})[\s-]{1,8}([a-z]{3})[a-z]{0,6}[\s-]{1,8}(\d{2,4})\s{1,8}(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s{0,8}([+-]\d{4}|[a-z]{1,5}))?/i

/** No date is longer. */
const CHARS_MAX = 200

/** @returns undefined if the value is not a date in the years 1900 to 9999. A missing or unknown zone counts as UTC. */
export function parseDateHeader(value: string): Date | undefined {
  const match = DATE_TIME.exec(value.slice(0, CHARS_MAX).trim())
  if (match === null) return undefined

  const [, day, monthName = '', yearDigits = '', hour, minute, second = '0', zone = ''] = match
  const month = MONTHS.indexOf(monthName.toLowerCase())
  const year = fullYear(yearDigits)
  if (month < 0 || year < 1900 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined

  const local = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second))
  if (new Date(local).getUTCMonth() !== month && Number(second) < 60) return undefined // 31 February
  return new Date(local - zoneMinutes(zone) * 60_000)
}

/** RFC 5322 §4.3: two digits up to 49 mean 2000 to 2049; other years of two or three digits count from 1900. */
function fullYear(digits: string): number {
  const year = Number(digits)
  if (digits.length === 4) return year
  return digits.length === 2 && year < 50 ? 2000 + year : 1900 + year
}

function zoneMinutes(zone: string): number {
  if (!/^[+-]/.test(zone)) return OBSOLETE_ZONES[zone.toLowerCase()] ?? 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3, 5))
  return zone.startsWith('-') ? -minutes : minutes
}
