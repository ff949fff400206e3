/**
 * Where the texts of a message come from that SEARCH compares: from the message itself, or, if it is large, from a thread, because reading it would
 * hold the event loop up for seconds (messages/content/mail-reader.ts). Part of search-sources.ts.
 *
 * A large message that has ended the thread is compared as it is, without decoding anything, so that no message makes SEARCH fail. After a while, the
 * node tries it again.
 */
import type { Limits } from '../../../config/limits.ts'
import type { MessageTextPiece } from '../../../formats/imap/message-texts.ts'
import { type Contents, loadBeginning, loadContent } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import { textsOf, unpackTexts } from '../../messages/content/message-structure.ts'
import type { LargeContent } from '../fetch/large-structures.ts'

/** Yields the texts in pieces, some of which are empty. Each costs a few milliseconds at most. */
export type TextSource = (content: LargeContent) => AsyncGenerator<MessageTextPiece>

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
    let isContinued = false
    for await (const chunk of contents.read(id)) {
      yield { isHeader: false, isContinued, text: chunk.toString() }
      isContinued = true
    }
  }
}
