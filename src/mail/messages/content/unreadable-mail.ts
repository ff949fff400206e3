/**
 * Remembers for a while which messages have ended the thread of mail-reader.ts, and what is shown of them: each new try can take a
 * thread many seconds. It does not remember them for ever, because the machine may have been busy, or the process paused.
 *
 * Crash: they are tried again. Other nodes try them for themselves.
 */
import type { Limits } from '../../../config/limits.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'

/** Memory of the key and of the objects around a value. */
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
