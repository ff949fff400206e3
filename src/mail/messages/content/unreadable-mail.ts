/**
 * What a node knows of messages that have ended the thread of mail-reader.ts. Not for ever, because the machine may have been busy, or the process
 * paused; and for a while, because each try can take a thread many seconds.
 *
 * Crash: they are tried again. Other nodes try them for themselves.
 */
import type { Limits } from '../../../config/limits.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'

/** Of the key and the objects around a value. */
const ENTRY_BYTES = 300

export class UnreadableMail<Value> {
  readonly #known: BoundedCache<string, { readonly value: Value; readonly untilMs: number }>
  readonly #forMs: number

  constructor({ mailboxes: { unreadableMs, unreadableBytesMax } }: Pick<Limits, 'mailboxes'>) {
    this.#known = new BoundedCache({ bytesMax: unreadableBytesMax, countMax: Number.POSITIVE_INFINITY })
    this.#forMs = unreadableMs
  }

  get(contentId: string): Value | undefined {
    const known = this.#known.get(contentId)
    return known && performance.now() < known.untilMs ? known.value : undefined
  }

  /** @param bytes size of the value */
  add(contentId: string, value: Value, bytes: number): void {
    this.#known.set(contentId, { value, untilMs: performance.now() + this.#forMs }, ENTRY_BYTES + bytes)
  }
}
