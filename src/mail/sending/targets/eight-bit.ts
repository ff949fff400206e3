/**
 * Finds which SMTP extensions a message needs: whether it contains 8-bit bytes in the body (RFC 6152) or in the header
 * (RFC 6531 §3.4). A message that Martlet composes has 8-bit bytes only in its header, in international addresses; its
 * body is 7-bit. Nothing is rewritten for a server without these extensions: that would break the author's signatures.
 */
import { isAscii } from 'node:buffer'

export interface EightBit {
  readonly isInMail: boolean
  readonly isInHeader: boolean
}

/** Stops reading as soon as the result is known. */
export async function findEightBit(chunks: AsyncIterable<Buffer>): Promise<EightBit> {
  let isHeader = true
  /** The end of the previous chunk, because an empty line may span two chunks. */
  let tail = ''
  let isInHeader = false
  for await (const chunk of chunks) {
    if (!isHeader) {
      if (!isAscii(chunk)) return { isInMail: true, isInHeader }
      continue
    }
    const text = tail + chunk.toString('latin1')
    const end = /\r?\n\r?\n/.exec(text)?.index
    isHeader = end === undefined
    isInHeader ||= !isAscii(Buffer.from(text.slice(0, end), 'latin1'))
    if (end !== undefined && !isAscii(Buffer.from(text.slice(end), 'latin1'))) return { isInMail: true, isInHeader }
    tail = text.slice(-3)
  }
  return { isInMail: isInHeader, isInHeader }
}
