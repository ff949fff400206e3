/**
 * Reads from a message what is needed to find out who wrote it: its From, what its signatures sign, and the fields in
 * which servers report such findings. Pure and synchronous; it runs in a thread
 * (mail/messages/content/parse-worker.thread.ts), so its result must survive as JSON. Nothing is verified here.
 */
import type { Address } from '../address/address.ts'
import { parseAuthorAddresses } from '../address/author-addresses.ts'
import { authservIdOf } from '../mime/authentication-results.ts'
import { fieldValue, findField, findHeaderStart, type HeaderField, readHeaderBlock } from '../mime/header-fields.ts'
import { readSpamSigns, type SpamSigns } from '../mime/spam-signs.ts'
import { type ArcSets, readArcSets } from './arc-sets.ts'
import { type DkimSignature, readSignature, type Unverifiable } from './dkim-signature.ts'
import { openSignedMail, type SignedData } from './signed-data.ts'

export interface SenderEvidence {
  /**
   * Where the header begins, if there are lines before it that would continue the fields of this server, or end its header: those
   * that begin with white space, and the first line of a file of mbox.
   */
  readonly headerStart: number
  /** The addresses that mail programs show as the sender, or some of them: those of the first From field. */
  readonly from: readonly Address[]
  /** RFC 5322 §3.6 requires exactly one. */
  readonly fromFieldCount: number
  /** The header is too large to be read to its end: what was not read may be another From. */
  readonly isHeaderCut: boolean
  /** From the first one on; at most `signaturesMax`. */
  readonly signatures: readonly ((DkimSignature & SignedData) | Unverifiable)[]
  /** Signatures beyond that. */
  readonly unreadSignatureCount: number
  readonly arc?: ArcSets
  /** The Authentication-Results fields, whose senders anyone can forge; offsets are relative to the message. */
  readonly results: readonly { readonly authservId: string; readonly start: number; readonly end: number }[]
  /** In a header that is too large, these fields are not listed: there can be millions. It ends here. */
  readonly unlistedResultsEnd?: number
  /** For the built-in spam check. */
  readonly signs: SpamSigns
}

export interface EvidenceLimits {
  readonly headerBytesMax: number
  readonly headerFieldsMax: number
  readonly signaturesMax: number
  readonly arcSetsMax: number
}

/** As many as mail/messages stores. */
const ADDRESSES_MAX = 1000
/** RFC 8601 §2.2. In lower case. */
export const RESULTS_FIELD = 'authentication-results'

/** @param raw as received, without the fields that this server adds */
export function readSenderEvidence(raw: Buffer, limits: EvidenceLimits): SenderEvidence {
  const headerStart = findHeaderStart(raw, limits.headerBytesMax)
  const { fields, end, bodyStart, truncated } = readHeaderBlock(
    raw,
    headerStart,
    limits.headerBytesMax,
    undefined,
    limits.headerFieldsMax,
  )
  const named = (lowerName: string) => fields.filter(({ name }) => name.toLowerCase() === lowerName)
  const from = findField(fields, 'from')
  const mail = openSignedMail(raw, fields, bodyStart)
  const signatureFields = named('dkim-signature')
  const arc = readArcSets(raw, fields, mail, limits.arcSetsMax)
  return {
    headerStart: fields.length > 0 ? headerStart : 0, // without a header, they are text
    from: from ? parseAuthorAddresses(fieldValue(raw, from), ADDRESSES_MAX) : [],
    fromFieldCount: named('from').length,
    isHeaderCut: truncated,
    signatures: signatureFields.slice(0, limits.signaturesMax).map(read),
    unreadSignatureCount: Math.max(0, signatureFields.length - limits.signaturesMax),
    ...(arc && { arc: truncated ? { problem: 'the header is too large' } : arc }),
    signs: readSpamSigns(raw, fields),
    results: truncated
      ? []
      : named(RESULTS_FIELD).map((field) => ({
          ...{ start: field.start, end: field.end },
          authservId: authservIdOf(fieldValue(raw, field)).slice(0, 255),
        })),
    ...(truncated && { unlistedResultsEnd: end }),
  }

  function read(field: HeaderField): SenderEvidence['signatures'][number] {
    const signature = readSignature(raw.toString('latin1', field.valueStart, field.end), 'dkim')
    if ('reason' in signature) return signature
    const { domain, selector, algorithm } = signature
    // A field that was not read may be signed, or shown.
    if (truncated)
      return { domain, selector, algorithm, result: 'policy', reason: 'the header is too large to be verified' }
    return { ...signature, ...mail.dataOf(signature, field) }
  }
}
