/**
 * What a mail asks of the servers on its way: whether its bytes are more than 7-bit, in the body (RFC 6152) or in the
 * header (RFC 6531 §3.4). What Martlet composes has at most international addresses in its header; a body is always
 * 7-bit. Nothing is rewritten for a server that takes less: that would break signatures of the mail's author.
 */
import { isAscii } from 'node:buffer'

export interface EightBit {
  readonly isInMail: boolean
  readonly isInHeader: boolean
}

/** Reads no further than it must. */
export async function findEightBit(chunks: AsyncIterable<Buffer>): Promise<EightBit> {
  let isHeader = true
  /** End of the chunk before, for an empty line that lies on a border. */
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
