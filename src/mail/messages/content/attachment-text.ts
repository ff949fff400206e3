/**
 * The text of attachments, for clients that read no HTML and no charsets: plain text and CSV as they are, the visible text of
 * HTML. One text is made at a time, in slices, so that a hostile document delays neither other requests nor other texts for
 * long. The owners of the attachments take turns, pods and organizations, and the number of requests that wait is limited.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { linesInSlices } from '../../../formats/html/html-lines.ts'
import { decodeText } from '../../../formats/mime/part-text.ts'
import type { Tenant } from '../../jobs/capacity-shares.ts'
import { createTurnQueue, turnOf } from '../../jobs/turn-queue.ts'

/** An attachment. The content type may have parameters. */
export interface TextSource {
  readonly contentType: string
  readonly charset?: string | undefined
  readonly sizeBytes: number
  /** Decoded from its transfer encoding. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** The pod of the inbox that has it. */
  readonly tenant: Tenant
}

const TYPES: ReadonlySet<string> = new Set(['text/plain', 'text/html', 'text/csv'])
/** More characters of HTML are never read (html-lines.ts), and UTF-8 has at most 4 bytes per character. */
const SOURCE_CHARS_MAX = 1_000_000

/** Whether an attachment has a text. */
export function hasText(
  { contentType, sizeBytes }: Pick<TextSource, 'contentType' | 'sizeBytes'>,
  { messages: { textUrlBytesMax } }: Limits,
): boolean {
  return TYPES.has(baseType(contentType)) && sizeBytes <= textUrlBytesMax
}

/** @throws too_many_responses */
export type TextOf = (source: TextSource) => Promise<Buffer>

/** @returns a function that returns the text in UTF-8 */
export function createAttachmentText(limits: Limits): TextOf {
  const { textUrlCharsMax, textUrlsWaitingMax, textUrlsPerOrganizationMax, textUrlWaitMs } = limits.messages
  const queue = createTurnQueue({
    waitingMax: textUrlsWaitingMax,
    waitingPerKeyMax: textUrlsPerOrganizationMax,
    waitMs: textUrlWaitMs,
    full: () => new MailError('too_many_responses', {}),
  })

  return (source) => queue.run(turnOf(source.tenant), () => convert(source))

  async function convert({ contentType, charset, sizeBytes, bytes }: TextSource): Promise<Buffer> {
    const type = baseType(contentType)
    const isHtml = type === 'text/html'
    const read = await readBeginning(bytes, 4 * (isHtml ? SOURCE_CHARS_MAX : textUrlCharsMax))
    const label = charset ?? /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType)?.[1]
    const text = decodeText(read, { contentType: type, charset: label }, read.length < sizeBytes)
    return Buffer.from(isHtml ? await inTurns(linesInSlices(text, textUrlCharsMax)) : cut(text, textUrlCharsMax))
  }
}

function baseType(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

async function readBeginning(bytes: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bytes) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= bytesMax) break
  }
  return Buffer.concat(chunks).subarray(0, bytesMax)
}

/** Lets other work run after each slice. */
async function inTurns<Result>(slices: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
    await setImmediate()
  }
}

/** Cuts no surrogate pair. */
function cut(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replace(/[\ud800-\udbff]$/, '')
}
