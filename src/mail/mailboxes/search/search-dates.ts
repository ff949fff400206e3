/** Days in SEARCH (RFC 9051 §6.4.4): dates are compared without their time and zone. Pure. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Returns the day of a time in UTC, as INTERNALDATE is shown: "yyyy-mm-dd". */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}

/** Returns the day of a Date field as its sender wrote it; undefined for a malformed one. */
export function dayOfDateField(value: string | undefined): string | undefined {
  const [, day, month, year] = /(\d{1,2})[\s-]+([a-z]{3})[a-z]*[\s-]+(\d{2,4})/i.exec(value ?? '') ?? []
  const index = MONTHS.indexOf(month?.toLowerCase() ?? '')
  if (day === undefined || year === undefined || index < 0) return undefined
  // RFC 5322 §4.3: years of two or three digits.
  const number = Number(year)
  const whole = year.length === 4 ? number : number + (year.length === 2 && number < 50 ? 2_000 : 1_900)
  return `${String(whole).padStart(4, '0')}-${String(index + 1).padStart(2, '0')}-${day.padStart(2, '0')}`
}

/** @param day "yyyy-mm-dd", which sorts as text; undefined matches nothing */
export function isOnSide(is: 'before' | 'on' | 'since', day: string | undefined, wanted: string): boolean {
  if (day === undefined) return false
  if (is === 'before') return day < wanted
  return is === 'on' ? day === wanted : day >= wanted
}
