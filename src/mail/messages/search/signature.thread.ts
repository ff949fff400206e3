/** The thread of signature-thread.ts: decompresses texts and makes signatures and blocks of them. */
import { parentPort } from 'node:worker_threads'
import { packSignatures, unpackSignatures } from '../../../formats/search/search-block.ts'
import { signatureOf } from '../../../formats/search/search-signature.ts'
import { sourceOf } from '../content/compressed-source.ts'
import { type FoldedContent, WITHOUT_TEXT } from './content-text.ts'
import { MessageText, SEARCH_COLUMNS } from './message-text.ts'
import type { SignatureRequest } from './signature-thread.ts'
import { fullSignature, signSource } from './source-signatures.ts'

parentPort!.on('message', ({ id, task }: SignatureRequest) => {
  try {
    parentPort!.postMessage({ id, result: run(task) })
  } catch (error) {
    parentPort!.postMessage({ id, error })
  }
})

function run(task: SignatureRequest['task']): Uint8Array[] {
  switch (task.name) {
    case 'sign':
      return task.texts.map((stored) => {
        const text = new MessageText(stored, task.charsMax, (_contentId, make) => orWithoutText(make))
        return signatureOf(SEARCH_COLUMNS.map((column) => text.folded(column)))
      })
    case 'sign sources':
      return task.sources.map((stored) => {
        try {
          const { buffer, byteOffset, byteLength } = sourceOf(stored)
          return signSource(Buffer.from(buffer, byteOffset, byteLength), task.limits)
        } catch {
          // Damaged: the job would fail for the other messages too, for ever. Each SEARCH reads this one, and finds that it cannot.
          return fullSignature()
        }
      })
    case 'pack':
      return packSignatures(task.signatures)
    case 'unpack':
      return unpackSignatures(task.chunks, task.positions)
  }
}

/** As text-cache.ts says of a damaged content: it has no text. */
function orWithoutText(make: () => FoldedContent): FoldedContent {
  try {
    return make()
  } catch {
    return WITHOUT_TEXT
  }
}
