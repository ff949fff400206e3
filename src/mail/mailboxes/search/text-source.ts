/**
 * Provides the texts of a message that SEARCH compares. Those of a large message are read in a thread (messages/content/mail-reader.ts), because
 * reading it would block the event loop for seconds. Part of search-sources.ts.
 *
 * A large message that has ended the thread is compared as it is, without decoding anything, so that no message makes SEARCH fail. After a while, the
 * node tries it again. So callers must not remember anything about these texts (`isFallback`).
 */
import { StringDecoder } from 'node:string_decoder'
import type { Limits } from '../../../config/limits.ts'
import type { MessageTextPiece } from '../../../formats/imap/message-texts.ts'
import { readHeaderBlock } from '../../../formats/mime/header-fields.ts'
import { type Contents, loadBeginning, loadContent } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import { textsOf, unpackTexts } from '../../messages/content/message-structure.ts'
import type { LargeContent } from '../fetch/large-structures.ts'

export interface SourcePiece extends MessageTextPiece {
  /** Set if the message could not be read for now: the text is its bytes as UTF-8, not decoded. A later try may return other texts. */
  readonly isFallback?: boolean
}

/** Yields the texts in pieces, some of which are empty. Each costs a few milliseconds at most. */
export type TextSource = (content: LargeContent) => AsyncGenerator<SourcePiece>

interface TextSourceNeeds {
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly limits: Limits
}

export function createTextSource({ contents, mailReader, limits }: TextSourceNeeds): TextSource {
  return async function* texts({ id, sizeBytes, turn }) {
    if (sizeBytes <= limits.mailboxes.sourceBytesMax) {
      yield* textsOf(await loadContent(contents, id), limits)
      return
    }
    const load = (end: number) => loadBeginning(contents, id, end)
    const packed = await mailReader.readTexts({ ...turn, contentId: id, sizeBytes, load })
    if (packed) {
      yield* unpackTexts(packed)
      return
    }
    yield* rawTexts(id, sizeBytes)
  }

  async function* rawTexts(id: string, sizeBytes: number): AsyncGenerator<SourcePiece> {
    const end = Math.min(sizeBytes, limits.parsing.mimeHeaderBytesMax)
    const head = await loadContent(contents, id, { start: 0, end })
    const { bodyStart } = readHeaderBlock(head, 0, head.length)
    yield { isHeader: true, isContinued: false, isFallback: true, text: head.toString('utf8', 0, bodyStart) }
    if (bodyStart === sizeBytes) return
    // A character can begin in one chunk and end in the next.
    const decoder = new StringDecoder('utf8')
    let isContinued = false
    for await (const chunk of contents.read(id, { start: bodyStart, end: sizeBytes })) {
      yield { isHeader: false, isContinued, isFallback: true, text: decoder.write(chunk) }
      isContinued = true
    }
    yield { isHeader: false, isContinued, isFallback: true, text: decoder.end() }
  }
}
