/**
 * The Authentication-Results field of a received message (RFC 8601), for programs that read mail without the API; and those
 * that strangers have put into it in our name.
 */
import { RESULTS_FIELD, type SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import { authenticationResultsField, type MethodResult } from '../../../formats/mime/authentication-results.ts'
import type { Authentication } from '../../messages/authentication.ts'
import type { HeaderChange } from '../../messages/content/changed-header.ts'

interface ResultsClient {
  readonly ipAddress: string
}

/** @returns the field with CRLF */
export function resultsField(hostname: string, authentication: Authentication, { ipAddress }: ResultsClient): string {
  const { spf, dkim = [], dmarc, arc, iprev, fromDomain } = authentication
  const results: MethodResult[] = []
  const add = (
    method: string,
    found: { readonly result: string; readonly reason?: string | undefined },
    properties: MethodResult['properties'],
  ) => results.push({ method, result: found.result, comment: found.reason, properties })
  // The names of properties are those of RFC 8601 §2.7 and of IANA's registry.
  if (spf) add('spf', spf, { [spf.identity === 'helo' ? 'smtp.helo' : 'smtp.mailfrom']: spf.domain })
  if (dkim.length === 0) add('dkim', { result: 'none' }, {})
  for (const one of dkim)
    add('dkim', one, { 'header.d': one.domain, 'header.s': one.selector, 'header.a': one.algorithm })
  if (dmarc) add('dmarc', { reason: dmarc.policy && `p=${dmarc.policy}`, ...dmarc }, { 'header.from': fromDomain })
  if (arc && arc.result !== 'none') add('arc', arc, { 'smtp.remote-ip': ipAddress })
  if (iprev) add('iprev', iprev, { 'policy.iprev': ipAddress })
  return authenticationResultsField(hostname, results)
}

/**
 * Returns what must not follow our fields: lines before the header, and fields with our name, which are forged if they arrive
 * from outside (§5). If the header is too large, the fields of all servers are removed, which §5 permits.
 */
export function forgedParts(
  hostname: string,
  { headerStart, results, unlistedResultsEnd }: SenderEvidence,
): Pick<HeaderChange, 'removed' | 'removedFields'> {
  const forged = results.filter(({ authservId }) => authservId === hostname).map(({ start, end }) => ({ start, end }))
  return {
    removed: headerStart > 0 ? [{ start: 0, end: headerStart }, ...forged] : forged,
    ...(unlistedResultsEnd !== undefined && {
      removedFields: { lowerName: RESULTS_FIELD, headerEnd: unlistedResultsEnd },
    }),
  }
}
