/** Reads times in requests: each dialect accepts the same forms, and what is no time is refused. */
import { MailError } from '../../../../errors.ts'

/** A date with or without a time, with an offset or in UTC. A "+" may have been decoded to a space. */
const ISO_TIME =
  /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(?:(Z)|[ +](\d{2}:?\d{2})|(-\d{2}:?\d{2}))?)?$/i

/** What a time in a request must be, for errors. */
export const TIME_EXPECTED = 'an ISO 8601 time such as 2026-01-31T12:00:00Z'

/**
 * @param name name of the parameter, for the error
 * @returns epoch ms; undefined if the parameter is missing
 * @throws validation_error
 */
export function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, date, day, time, , east, west] = ISO_TIME.exec(text) ?? []
  const offset = (east ? `+${east}` : west)?.replace(/(\d{2}):?(\d{2})$/, '$1:$2')
  const ms = date === undefined ? Number.NaN : Date.parse(`${date}T${time ?? '00:00'}${offset ?? 'Z'}`)
  // Date.parse reads 30 February as 2 March.
  const exists = date !== undefined && new Date(Date.parse(`${date}T00:00Z`)).getUTCDate() === Number(day)
  if (exists && !Number.isNaN(ms)) return ms
  throw new MailError('validation_error', {
    detail: `${name} must be ${TIME_EXPECTED}`,
    path: [name],
  })
}
