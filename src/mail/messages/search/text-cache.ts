/**
 * Keeps the texts that searches have compared lately. The last messages of an inbox, and those of a small one, have no index,
 * so every search compares them; an agent that looks for a code repeats it every few seconds. Decompressing and folding a
 * text takes most of the time of a comparison. A content never changes, so no text here is out of date.
 *
 * A damaged content has no text: every search of its inbox would fail, and what lists the results too.
 */
import type { Limits } from '../../../config/limits.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import { DamagedContent, type ReportDamage } from '../content/damaged-content.ts'
import { type FoldedContent, WITHOUT_TEXT } from './content-text.ts'

/** Returns the text of a content, and makes it if it is not kept. One that cannot be made is empty. */
export type FoldedTexts = (contentId: string, make: () => FoldedContent) => FoldedContent

const BYTES_PER_CHAR = 2

export function createTextCache(
  { search: { textCacheBytesMax, textCacheMs } }: Limits,
  reportDamage: ReportDamage,
): FoldedTexts {
  const bounds = { bytesMax: textCacheBytesMax, countMax: Number.POSITIVE_INFINITY }
  let texts = new BoundedCache<string, FoldedContent>(bounds)
  let isReleased = true

  return (contentId, make) => {
    if (isReleased) setTimeout(release, textCacheMs).unref()
    isReleased = false
    const known = texts.get(contentId)
    if (known) return known
    const made = makeOrReport(contentId, make)
    const chars = [made.addresses, made.body].reduce((sum, { shown, folded }) => sum + shown.length + folded.length, 0)
    texts.set(contentId, made, BYTES_PER_CHAR * chars)
    return made
  }

  function makeOrReport(contentId: string, make: () => FoldedContent): FoldedContent {
    try {
      return make()
    } catch (error) {
      if (!(error instanceof DamagedContent)) throw error
      reportDamage(contentId, error)
      return WITHOUT_TEXT
    }
  }

  function release(): void {
    texts = new BoundedCache(bounds)
    isReleased = true
  }
}
