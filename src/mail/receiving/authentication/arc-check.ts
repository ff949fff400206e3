/**
 * Validates the ARC chain of a message (RFC 8617 §5.2): servers that forwarded it say what they found out about its sender,
 * before they may have broken its signatures. Their word counts only if the operator trusts all of them.
 */
import type { ArcSets } from '../../../formats/dkim/arc-sets.ts'
import { readResults } from '../../../formats/mime/authentication-results.ts'
import type { ArcFinding } from '../../messages/authentication.ts'
import type { SignatureChecks } from './dkim-check.ts'

interface ArcNeeds {
  readonly signatures: Pick<SignatureChecks, 'verifySignature'>
  /** Domains of seals, as A-labels. */
  readonly trustedSealers: readonly string[]
  readonly nowSeconds: number
  /** Whose mail it is (CachedDns.query). */
  readonly client?: string
}

/** @param fromDomain the domain for which the first sealer must have found the message authentic */
export async function checkArc(
  sets: ArcSets | undefined,
  fromDomain: string | undefined,
  { signatures, trustedSealers, nowSeconds, client }: ArcNeeds,
): Promise<ArcFinding> {
  if (!sets) return { result: 'none' }
  if ('problem' in sets) return { result: 'fail', reason: sets.problem }
  const { seals, message } = sets
  const sealers = seals.map(({ domain }) => domain)
  // §5.2 step 4: the message signature of the newest set, which covers the body
  if (!message.isBodyIntact) return { result: 'fail', sealers, reason: 'the message was changed after the last seal' }
  // Step 6: all seals. (Seals have no expiry.)
  const checked = await Promise.all(
    [message, ...seals].map((signed) => signatures.verifySignature(signed, nowSeconds, client)),
  )
  const wrong = checked.findIndex(({ result }) => result !== 'pass')
  if (wrong >= 0) {
    const { result, reason = '' } = checked[wrong]!
    const what = wrong === 0 ? 'the message signature' : `seal ${wrong}`
    return { result: result === 'temperror' ? 'temperror' : 'fail', sealers, reason: `${what}: ${reason}` }
  }
  const isTrusted =
    fromDomain !== undefined &&
    sealers.every((domain) => trustedSealers.includes(domain)) &&
    foundAuthentic(seals[0]!.results, fromDomain)
  return { result: 'pass', sealers, ...(isTrusted && { isTrusted: true as const }) }
}

/** §7.2.1: whether the sealer reports that DMARC passed for this domain. */
function foundAuthentic(results: string, fromDomain: string): boolean {
  const [found, other] = readResults(results).filter(({ method }) => method === 'dmarc')
  // With several, a part of them may come from the stranger.
  return other === undefined && found?.result === 'pass' && found.properties.get('header.from') === fromDomain
}
