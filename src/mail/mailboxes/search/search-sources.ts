/**
 * Compares the whole text of a message for SEARCH: of a long one, and of one with attachments, the text index has only a part. All searches of a
 * node take turns, because a message is in memory meanwhile.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { messageTexts } from '../../../formats/imap/message-texts.ts'
import { foldText } from '../../../formats/search/search-signature.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { structureLimits } from '../fetch/message-source.ts'

/** What is searched, folded. */
export interface SourceQuery {
  readonly text: string
  /** Also in the headers of the message and of its parts. */
  readonly inHeader: boolean
}

/** @throws not_found when the content was deleted; the reason of `signal` */
export type MatchSource = (contentId: string, query: SourceQuery, signal: AbortSignal) => Promise<boolean>

/** Characters that are folded at once. */
const PIECE_CHARS = 128 * 1024
/** A search lets other work run after so long. */
const SLICE_MS = 10

export function createMatchSource({ contents, limits }: { contents: Contents; limits: Limits }): MatchSource {
  const textLimits = { ...structureLimits(limits), htmlCharsMax: limits.parsing.htmlTextCharsMax }
  const waiting: (() => void)[] = []
  let running = 0

  return async function matchSource(contentId, query, signal) {
    if (running >= limits.mailboxes.searchSourcesMax) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      signal.throwIfAborted()
      return await matches(contentId, query, signal)
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }

  async function matches(contentId: string, { text, inHeader }: SourceQuery, signal: AbortSignal): Promise<boolean> {
    const chunks: Buffer[] = []
    for await (const chunk of contents.read(contentId)) chunks.push(chunk)
    let before = ''
    let breathedAtMs = performance.now()
    for (const piece of messageTexts(Buffer.concat(chunks), textLimits)) {
      if (piece.isHeader && !inHeader) continue
      if (!piece.isContinued) before = ''
      for (let at = 0; at < piece.text.length; at += PIECE_CHARS) {
        const folded = foldText(before + piece.text.slice(at, at + PIECE_CHARS).toLowerCase())
        if (folded.includes(text)) return true
        before = folded.slice(Math.max(0, folded.length - text.length))
        if (performance.now() - breathedAtMs < SLICE_MS) continue
        signal.throwIfAborted()
        await setImmediate()
        breathedAtMs = performance.now()
      }
    }
    return false
  }
}
