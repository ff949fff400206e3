/**
 * Limits how many large messages SEARCH has in memory (limits.mailboxes.searchSourcesMax): from the moment at which one is loaded for the
 * thread that reads it (messages/content/mail-reader.ts) until its texts were compared. Part of search-sources.ts; text-source.ts reads them.
 *
 *   queue of the thread → its turn → a place is free: load, read, compare, release the place
 *                                  → no place is free: leave the queue, because others need the thread for structures; wait for a
 *                                    place, and join the queue again
 *
 * A client that has disconnected stops waiting.
 */
import type { Limits } from '../../../config/limits.ts'
import { waitUnlessAborted } from '../../../deadline.ts'
import { MailError } from '../../../errors.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import type { LargeContent } from '../fetch/large-structures.ts'
import { createTextSource, type SourcePiece, type TextSource } from './text-source.ts'

/**
 * @throws the reason of `signal` while the texts are read (the caller checks the signal while it compares them); read_queue_full when no place
 *   becomes free in time; what the text source throws
 */
export type LimitedTexts = (content: LargeContent, signal: AbortSignal) => ReturnType<TextSource>

interface LimitedTextsNeeds {
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly limits: Limits
}

/** Thrown at the turn of a message when too many others are in memory. */
class NoPlace extends Error {}

/** The place of one large message in memory. */
interface Place {
  /** Does nothing if it is taken. @throws NoPlace */
  take(): void
  release(): void
}

export function createLimitedTexts({ contents, mailReader, limits }: LimitedTextsNeeds): LimitedTexts {
  const { searchSourcesMax, readWaitMs } = limits.mailboxes
  const places = createPlaces(searchSourcesMax)

  return async function* texts(content, signal) {
    const untilMs = performance.now() + readWaitMs
    for (;;) {
      const place = places.add()
      const source = readTexts(content, place, signal)
      try {
        const first = await waitUnlessAborted(source.next(), signal)
        if (first.done) return
        yield first.value
        yield* source
        return
      } catch (error) {
        if (!(error instanceof NoPlace)) throw error
        if (performance.now() >= untilMs) throw new MailError('read_queue_full', {})
      } finally {
        // Closes its file, after a read that still runs. The search no longer needs it, so an error of this is ignored.
        const closed = source.return(undefined)
        closed.catch(() => undefined).finally(() => place.release())
      }
      await places.untilFree(signal)
    }
  }

  function readTexts(content: LargeContent, place: Place, signal: AbortSignal): AsyncGenerator<SourcePiece> {
    const source = createTextSource({
      contents,
      mailReader: {
        readTexts: (mail) =>
          mailReader.readTexts({
            ...mail,
            signal,
            async load(end) {
              place.take()
              return mail.load(end)
            },
          }),
      },
      limits,
    })
    return source(content)
  }
}

function createPlaces(placesMax: number) {
  let takenCount = 0
  const waiting = new Set<() => void>()

  return {
    add(): Place {
      let isTaken = false
      return {
        take() {
          if (isTaken) return
          if (takenCount >= placesMax) throw new NoPlace()
          isTaken = true
          takenCount += 1
        },
        release() {
          if (!isTaken) return
          isTaken = false
          takenCount -= 1
          // Wakes all, not one, which could leave before it takes the place. Few wait: one per organization.
          for (const wake of waiting) wake()
          waiting.clear()
        },
      }
    },

    /** @throws the reason of the signal */
    async untilFree(signal: AbortSignal): Promise<void> {
      if (takenCount < placesMax) return
      let wake: () => void = () => undefined
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      waiting.add(wake)
      try {
        await waitUnlessAborted(woken, signal)
      } finally {
        waiting.delete(wake)
      }
    },
  }
}
