/**
 * The error for stored data of a message that cannot be decoded, or is lost, for example because a disk has damaged it. Code that reads
 * many messages, such as a search, must leave this message out and continue with the others.
 */
import type { Log } from '../../../log.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'

export class DamagedContent extends Error {
  override readonly name = 'DamagedContent'
}

/** Runs a function that decodes stored bytes. @throws DamagedContent if it throws */
export function decodeStored<T>(decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    throw undecodable(cause)
  }
}

export function undecodable(cause: unknown): DamagedContent {
  return new DamagedContent('what is stored of a message cannot be decoded', { cause })
}

/** Whether zlib or JSON.parse threw this error. */
export function isUndecodable(error: unknown): boolean {
  return error instanceof SyntaxError || ((error as NodeJS.ErrnoException).code?.startsWith('Z_') ?? false)
}

/**
 * Logs that a content is damaged: once per process, because every search of its inbox finds it again.
 *
 * @param about further members of the line, such as the id of the message
 */
export type ReportDamage = (contentId: string, error: DamagedContent, about?: Readonly<Record<string, string>>) => void

/** Contents of which a process remembers that it has logged them. */
const REPORTED_MAX = 10_000

export function createReportDamage(log: Log): ReportDamage {
  const reported = new BoundedCache<string, true>({ bytesMax: Number.POSITIVE_INFINITY, countMax: REPORTED_MAX })
  return (contentId, error, about) => {
    if (reported.get(contentId)) return
    reported.set(contentId, true, 0)
    log.error(
      { err: error, contentId, ...about },
      'what is stored of a message is damaged or lost; clients cannot read it, and searches do not find all of it',
    )
  }
}
