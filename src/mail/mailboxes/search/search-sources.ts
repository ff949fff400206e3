/**
 * Compares the whole text of messages for SEARCH, which the text index has only in part: header fields, those of parts, HTML, attachments, and
 * the end of a long text. All searches of a node take turns, because messages are in memory meanwhile.
 *
 * The index of whole messages (../../messages/search/source-index.ts) excludes most messages. Of those that it does not have, a node that has read
 * one keeps its signatures in memory, by mailbox and UID, which always mean the same message.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError } from '../../../errors.ts'
import { hasBits, queryBits } from '../../../formats/search/search-signature.ts'
import type { Store } from '../../../store/store.ts'
import { type ContentSource, listContentSources } from '../../../store/tables/search-sources-table.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import { sourceOf } from '../../messages/content/compressed-source.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import { textsOf } from '../../messages/content/message-structure.ts'
import {
  createPieceFolder,
  mayExceedSignatures,
  OVERLAP_CHARS,
  SignedTexts,
  sourceLimitsOf,
} from '../../messages/search/source-signatures.ts'
import type { LargeContent } from '../fetch/large-structures.ts'
import { createSlices } from './search-slices.ts'
import { createTextSource } from './text-source.ts'

/** What is searched, folded. */
export interface SourceQuery {
  readonly text: string
  /** Also in the headers of the message and of its parts. */
  readonly inHeader: boolean
}

/** A message to compare. */
export interface SearchedSource {
  /** Of its entry: mailbox and UID. */
  readonly key: string
  readonly content: LargeContent
  /** Whether the index of whole messages has it. */
  readonly isIndexed: boolean
}

export interface Sources {
  /**
   * Reads messages, which are few, or one large one.
   *
   * @returns whether each matches; one whose content was deleted does not
   * @throws the reason of `signal`
   */
  match(messages: readonly SearchedSource[], query: SourceQuery, signal: AbortSignal): Promise<boolean[]>
  /** Returns a function that says whether a message, by the key of its entry, certainly does not match. */
  excluder(query: SourceQuery): (key: string) => boolean
}

interface SourcesNeeds {
  readonly store: Pick<Store, 'db'>
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly limits: Limits
}

/** A search lets other work run after so long. */
const SLICE_MS = 10

export function createSources({ store, contents, mailReader, limits }: SourcesNeeds): Sources {
  const signatures = new BoundedCache<string, readonly Uint8Array[]>({
    bytesMax: limits.mailboxes.searchSignaturesBytesMax,
    countMax: Number.POSITIVE_INFINITY,
  })
  const sourceLimits = sourceLimitsOf(limits)
  const readTexts = createTextSource({ contents, mailReader, limits })
  const waiting: (() => void)[] = []
  let running = 0

  return {
    async match(messages, query, signal) {
      if (running >= limits.mailboxes.searchSourcesMax) await new Promise<void>((resolve) => waiting.push(resolve))
      else running += 1
      try {
        signal.throwIfAborted()
        const ids = [...new Set(messages.map(({ content }) => content.id))]
        const read = await listContentSources(store.db, ids)
        const sources = new Map(read.map((source) => [source.content_id, source]))
        const pause = createSlices(SLICE_MS)
        const found: boolean[] = []
        for (const message of messages) {
          const source = sources.get(message.content.id)
          found.push(source !== undefined && (await matches(source, message, query, pause, signal)))
          await pause()
        }
        return found
      } finally {
        const next = waiting.shift()
        if (next) next()
        else running -= 1
      }
    },

    excluder({ text }) {
      const bits = queryBits([text.slice(0, OVERLAP_CHARS)])
      return (key) => signatures.get(key)?.some((signature) => hasBits(signature, bits)) === false
    },
  }

  async function matches(
    source: ContentSource,
    { key, content, isIndexed }: SearchedSource,
    { text, inHeader }: SourceQuery,
    pause: () => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { sizeBytes } = content
    const mayBeFull = sizeBytes > limits.mailboxes.sourceBytesMax || mayExceedSignatures(sizeBytes, sourceLimits)
    const isSigned = !isIndexed || mayBeFull
    const signed = isSigned && !signatures.get(key) ? new SignedTexts() : undefined
    const fold = createPieceFolder(Math.max(text.length, OVERLAP_CHARS))
    let isFound = false
    try {
      const texts = source.bytes ? textsOf(bytesOf(source.bytes, source), limits) : readTexts(content)
      for await (const piece of texts) {
        await pause()
        for (const folded of fold(piece)) {
          isFound ||= (inHeader || !piece.isHeader) && folded.includes(text)
          if (isFound && !signed) return true
          signed?.add(folded)
          signal.throwIfAborted()
          await pause()
        }
      }
    } catch (error) {
      if (isMailError(error, 'not_found')) return false // it was deleted meanwhile
      throw error
    }
    if (signed) {
      const made = signed.end()
      signatures.set(key, made, made.reduce((sum, { length }) => sum + length, 0) + key.length)
    }
    return isFound
  }

  /** @returns undefined: it was deleted */
}

function bytesOf(bytes: Uint8Array, { parsed, size_bytes: sizeBytes }: ContentSource): Buffer {
  const whole = sourceOf({ bytes, sizeBytes, parsed })
  return Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength)
}
