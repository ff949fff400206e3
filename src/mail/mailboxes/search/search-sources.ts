/**
 * Compares the whole text of messages for SEARCH, which the text index has only in part: header fields, those of parts, HTML, attachments, and
 * the end of a long text. Messages are in memory meanwhile, so the searches of a node take turns, by organizations and pods: each delays only
 * itself. Large messages, which can take seconds, have turns of their own.
 *
 * The index of whole messages (../../messages/search/source-index.ts) excludes most messages. Of those that it does not have, a node that has read
 * one keeps its signatures in memory, by mailbox and UID, which always mean the same message.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import { hasBits, queryBits } from '../../../formats/search/search-signature.ts'
import type { Store } from '../../../store/store.ts'
import { type ContentSource, listContentSources } from '../../../store/tables/search-sources-table.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import { createTurnQueue, type TurnQueue } from '../../jobs/turn-queue.ts'
import { sourceOf } from '../../messages/content/compressed-source.ts'
import type { Contents } from '../../messages/content/contents.ts'
import { DamagedContent, type ReportDamage } from '../../messages/content/damaged-content.ts'
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
import { createLimitedTexts } from './limited-texts.ts'
import { createSlices } from './search-slices.ts'
import type { SourcePiece } from './text-source.ts'

/** The text to search for, folded. */
export interface SourceQuery {
  readonly text: string
  /** Whether the headers of the message and of its parts are searched too. */
  readonly inHeader: boolean
}

/** A message to compare. */
export interface SearchedSource {
  /** Identifies its entry: mailbox and UID. */
  readonly key: string
  readonly content: LargeContent
  /** Whether the index of whole messages has it. */
  readonly isIndexed: boolean
}

export interface Sources {
  /**
   * Reads messages, which are few, or one large one. They belong to one mailbox.
   *
   * @returns whether each matches; one whose content was deleted does not. undefined: what is stored of it is damaged
   * @throws read_queue_full when too many searches wait, or too long; the reason of `signal`
   */
  match(messages: readonly SearchedSource[], query: SourceQuery, signal: AbortSignal): Promise<(boolean | undefined)[]>
  /** Returns a function that says whether a message, by the key of its entry, certainly does not match. */
  excluder(query: SourceQuery): (key: string) => boolean
}

interface SourcesNeeds {
  readonly store: Pick<Store, 'db'>
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly reportDamage: ReportDamage
  readonly limits: Limits
}

/** Time after which a search lets other work run. */
const SLICE_MS = 10

export function createSources({ store, contents, mailReader, reportDamage, limits }: SourcesNeeds): Sources {
  const signatures = new BoundedCache<string, readonly Uint8Array[]>({
    bytesMax: limits.mailboxes.searchSignaturesBytesMax,
    countMax: Number.POSITIVE_INFINITY,
  })
  const sourceLimits = sourceLimitsOf(limits)
  const readTexts = createLimitedTexts({ contents, mailReader, limits })
  const smallTurns = createTurns(limits, { runningMax: limits.mailboxes.searchSourcesMax })
  // The reader of large messages has a queue too, in which an organization may have to pause. So one message per organization waits there.
  const largeTurns = createTurns(limits, { runningMax: Number.POSITIVE_INFINITY, runningPerKeyMax: 1 })

  return {
    async match(messages, query, signal) {
      const isLarge = ({ content }: SearchedSource) => content.sizeBytes > limits.mailboxes.sourceBytesMax
      const small = messages.filter((each) => !isLarge(each))
      const matching = new Map<SearchedSource, boolean | undefined>(messages.map((each) => [each, false]))
      const compareInTurn = async (turns: TurnQueue, some: readonly SearchedSource[]) => {
        const [first] = some
        if (first) await turns.run(first.content.turn, () => compare(some, query, signal, matching), signal)
      }
      await compareInTurn(smallTurns, small)
      for (const each of messages.filter(isLarge)) await compareInTurn(largeTurns, [each])
      return messages.map((each) => matching.get(each))
    },

    excluder({ text }) {
      const bits = queryBits([text.slice(0, OVERLAP_CHARS)])
      return (key) => signatures.get(key)?.some((signature) => hasBits(signature, bits)) === false
    },
  }

  /** @param matching gets whether each matches */
  async function compare(
    messages: readonly SearchedSource[],
    query: SourceQuery,
    signal: AbortSignal,
    matching: Map<SearchedSource, boolean | undefined>,
  ): Promise<void> {
    const ids = [...new Set(messages.map(({ content }) => content.id))]
    const read = await listContentSources(store.db, ids)
    const sources = new Map(read.map((source) => [source.content_id, source]))
    const pause = createSlices(SLICE_MS)
    for (const message of messages) {
      signal.throwIfAborted()
      const source = sources.get(message.content.id)
      if (source) matching.set(message, await matches(source, message, query, pause, signal))
      await pause()
    }
  }

  async function matches(
    source: ContentSource,
    { key, content, isIndexed }: SearchedSource,
    { text, inHeader }: SourceQuery,
    pause: () => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const { sizeBytes } = content
    const mayBeFull = sizeBytes > limits.mailboxes.sourceBytesMax || mayExceedSignatures(sizeBytes, sourceLimits)
    const isSigned = !isIndexed || mayBeFull
    const signed = isSigned && !signatures.get(key) ? new SignedTexts() : undefined
    const fold = createPieceFolder(Math.max(text.length, OVERLAP_CHARS))
    let isFound = false
    let isFallback = false
    try {
      const texts: Iterable<SourcePiece> | AsyncIterable<SourcePiece> = source.bytes
        ? textsOf(bytesOf(source.bytes, source), limits)
        : readTexts(content, signal)
      for await (const piece of texts) {
        isFallback ||= piece.isFallback === true
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
      if (!(error instanceof DamagedContent)) throw error
      reportDamage(content.id, error)
      return undefined
    }
    // Texts of a message that could not be read for now (text-source.ts): signatures would exclude what it really has.
    if (signed && !isFallback) {
      const made = signed.end()
      signatures.set(key, made, made.reduce((sum, { length }) => sum + length, 0) + key.length)
    }
    return isFound
  }
}

function createTurns({ mailboxes }: Limits, running: { runningMax: number; runningPerKeyMax?: number }): TurnQueue {
  return createTurnQueue({
    ...running,
    waitingMax: mailboxes.searchesWaitingMax,
    waitingPerKeyMax: mailboxes.searchesPerOrganizationMax,
    waitMs: mailboxes.readWaitMs,
    full: () => new MailError('read_queue_full', {}),
  })
}

function bytesOf(bytes: Uint8Array, { parsed, size_bytes: sizeBytes }: ContentSource): Buffer {
  const whole = sourceOf({ bytes, sizeBytes, parsed })
  return Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength)
}
