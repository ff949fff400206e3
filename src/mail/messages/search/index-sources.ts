/**
 * The index of whole messages, for SEARCH of IMAP (docs/adr/0080): a job per inbox, which a mail program requests by opening or searching
 * it (source-index.ts). Inboxes without IMAP have none, and received mail writes nothing for it.
 *
 *   bytes of messages, a few at a time → signatures, in the thread → blocks (index-blocks.ts)
 *
 * Crash, stop, two nodes: see index-blocks.ts.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError } from '../../../errors.ts'
import { SIGNATURE_BYTES } from '../../../formats/search/search-signature.ts'
import type { Store } from '../../../store/store.ts'
import { listSources, type SourceRow } from '../../../store/tables/search-sources-table.ts'
import type { JobHandler } from '../../jobs/jobs.ts'
import { type Contents, loadContent } from '../content/contents.ts'
import { copyOf, createIndexBlocks } from './index-blocks.ts'
import type { SignatureThread } from './signature-thread.ts'
import { fullSignature, sourceFunctionOf, sourceLimitsOf } from './source-signatures.ts'

/** The kind of the job. Key: the id of the inbox. It is stored in the database: never change it. */
export const INDEX_SOURCES = 'index-sources'

interface IndexSourcesNeeds {
  readonly store: Store
  readonly contents: Contents
  readonly thread: Pick<SignatureThread, 'run'>
  readonly limits: Limits
}

export function createIndexSources(needs: IndexSourcesNeeds): JobHandler {
  const { store, contents, thread, limits } = needs
  const sourceLimits = sourceLimitsOf(limits)

  return createIndexBlocks(needs, {
    kind: 'source',
    jobKind: INDEX_SOURCES,
    textFunction: sourceFunctionOf(limits),
    messagesMin: limits.search.sourceMessagesMin,

    async sign(inboxId, range) {
      const rows = await listSources(store.db, { inboxId, ...range })
      const small = rows.filter(hasBytes)
      const sources = small.map(({ bytes, parsed, size_bytes }) => ({
        ...{ bytes: copyOf(bytes), sizeBytes: size_bytes, parsed: parsed && copyOf(parsed) },
      }))
      const signed = await thread.run({ name: 'sign sources', sources, limits: sourceLimits })
      const signatures = new Map(small.map(({ number }, at) => [number, signed[at]!]))
      for (const row of rows) if (!signatures.has(row.number)) signatures.set(row.number, await signLarge(row))
      return rows.map(({ number }) => ({ number, signatures: divided(signatures.get(number)!) }))
    },
  })

  async function signLarge({ content_id, size_bytes }: SourceRow): Promise<Uint8Array> {
    // It can end a thread by its time or its memory (content/mail-reader.ts).
    if (size_bytes > limits.mailboxes.sourceBytesMax) return fullSignature()
    try {
      const bytes = await loadContent(contents, content_id)
      if (bytes.length < size_bytes) return fullSignature() // its file is too short: as one that is lost
      const sources = [{ bytes, sizeBytes: bytes.length, parsed: null }]
      const [signed] = await thread.run({ name: 'sign sources', sources, limits: sourceLimits })
      return signed!
    } catch (error) {
      // It was deleted meanwhile, or its file is lost: a signature that excluded it would have NOT find it.
      if (isMailError(error, 'not_found')) return fullSignature()
      throw error
    }
  }
}

function hasBytes(row: SourceRow): row is SourceRow & { readonly bytes: Uint8Array } {
  return row.bytes !== null
}

function divided(signatures: Uint8Array): Uint8Array[] {
  const count = signatures.length / SIGNATURE_BYTES
  return Array.from({ length: count }, (_, at) => signatures.subarray(at * SIGNATURE_BYTES, (at + 1) * SIGNATURE_BYTES))
}
