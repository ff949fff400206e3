/**
 * Compares the whole text of a message for SEARCH, which the text index has only in part: header fields, those of parts, HTML, attachments, and
 * the end of a long text. All searches of a node take turns, because a message is in memory meanwhile.
 *
 * A node that has read a message keeps its signatures (formats/search/search-signature.ts), so that a later search excludes most messages
 * without a look at the database. They are kept by mailbox and UID, which always mean the same message.
 */
import type { Limits } from '../../../config/limits.ts'
import { foldText, hasBits, queryBits, signatureOf } from '../../../formats/search/search-signature.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import type { LargeContent } from '../fetch/large-structures.ts'
import { createSlices } from './search-slices.ts'
import { createTextSource } from './text-source.ts'

/** What is searched, folded. */
export interface SourceQuery {
  readonly text: string
  /** Also in the headers of the message and of its parts. */
  readonly inHeader: boolean
}

export interface Sources {
  /**
   * Reads a message. @param key of its entry: mailbox and UID
   *
   * @throws not_found when the content was deleted; the reason of `signal`
   */
  matches(key: string, content: LargeContent, query: SourceQuery, signal: AbortSignal): Promise<boolean>
  /** Returns a function that says whether a message, by the key of its entry, certainly does not match. */
  excluder(query: SourceQuery): (key: string) => boolean
}

/** Characters that are folded at once. */
const PIECE_CHARS = 128 * 1024
/** A search lets other work run after so long. */
const SLICE_MS = 10
/** Characters of one signature. One of more would have nearly all bits. */
const SIGNED_CHARS = 8_000
/** Characters at the end of a signature that are in the next one as well: no longer text is looked for. */
const OVERLAP_CHARS = 256

interface SourcesNeeds {
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly limits: Limits
}

export function createSources({ contents, mailReader, limits }: SourcesNeeds): Sources {
  const signatures = new BoundedCache<string, readonly Uint8Array[]>({
    bytesMax: limits.mailboxes.searchSignaturesBytesMax,
    countMax: Number.POSITIVE_INFINITY,
  })
  const textsOf = createTextSource({ contents, mailReader, limits })
  const waiting: (() => void)[] = []
  let running = 0

  return {
    async matches(key, content, query, signal) {
      if (running >= limits.mailboxes.searchSourcesMax) await new Promise<void>((resolve) => waiting.push(resolve))
      else running += 1
      try {
        signal.throwIfAborted()
        return await read(key, content, query, signal)
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

  async function read(key: string, content: LargeContent, query: SourceQuery, signal: AbortSignal): Promise<boolean> {
    const { text, inHeader } = query
    const pause = createSlices(SLICE_MS)
    const signed = signatures.get(key) ? undefined : new SignedTexts()
    const keptChars = Math.max(text.length, OVERLAP_CHARS)
    let isFound = false
    let before = ''
    for await (const piece of textsOf(content)) {
      await pause()
      if (!piece.isContinued) before = ''
      for (let at = 0; at < piece.text.length; at += PIECE_CHARS) {
        const folded = foldText(before + piece.text.slice(at, at + PIECE_CHARS).toLowerCase())
        isFound ||= (inHeader || !piece.isHeader) && folded.includes(text)
        if (isFound && !signed) return true
        signed?.add(folded)
        before = folded.slice(Math.max(0, folded.length - keptChars))
        signal.throwIfAborted()
        await pause()
      }
    }
    if (signed) signatures.set(key, signed.end(), signed.sizeBytes + key.length)
    return isFound
  }
}

/** Collects the texts of a message, folded, in signatures. */
class SignedTexts {
  readonly #signatures: Uint8Array[] = []
  #texts: string[] = []
  #chars = 0

  add(folded: string): void {
    for (let at = 0; at < folded.length; at += SIGNED_CHARS) {
      const text = folded.slice(at, at + SIGNED_CHARS + OVERLAP_CHARS)
      if (this.#chars + text.length > SIGNED_CHARS + OVERLAP_CHARS) this.#sign()
      this.#texts.push(text)
      this.#chars += text.length
    }
  }

  end(): readonly Uint8Array[] {
    if (this.#texts.length > 0) this.#sign()
    return this.#signatures
  }

  get sizeBytes(): number {
    return this.#signatures.reduce((sum, { length }) => sum + length, 0)
  }

  #sign(): void {
    this.#signatures.push(signatureOf(this.#texts))
    this.#texts = []
    this.#chars = 0
  }
}
