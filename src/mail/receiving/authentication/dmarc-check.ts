/**
 * Evaluates DMARC (RFC 7489): whether the domain of From is one that SPF or DKIM has confirmed, and what its record asks for
 * if it is not.
 */
import type { Limits } from '../../../config/limits.ts'
import { type DmarcRecord, isDmarcRecord, readDmarcRecord, weaker } from '../../../formats/dmarc/dmarc-record.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import { type DnsError, isNoSuchRecord } from '../../../net/dns/dns-query.ts'
import type { DmarcFinding } from '../../messages/authentication.ts'
import type { DkimResult } from './dkim-check.ts'
import { inTime, LATE } from './in-time.ts'
import { organizationalDomain } from './organizational-domain.ts'
import type { SpfResult } from './spf-check.ts'

export interface DmarcResult {
  readonly finding: DmarcFinding
  readonly isSpfAligned: boolean
  /** In the order of the signatures. */
  readonly isDkimAligned: readonly boolean[]
  /** SPF or DKIM passes for the domain of From, also if this domain has no record. */
  readonly isPass: boolean
}

interface Found {
  readonly domain: string
  readonly record: DmarcRecord
}

export interface DmarcNeeds {
  readonly dns: CachedDns
  readonly limits: Limits
  /** From 0 to 1, for pct=. */
  readonly random: () => number
}

/** @param fromDomain as A-labels */
export async function checkDmarc(
  fromDomain: string,
  spf: SpfResult,
  dkim: readonly DkimResult[],
  { dns, limits, random }: DmarcNeeds,
): Promise<DmarcResult> {
  const own = await organizationalDomain(fromDomain)
  const late = { result: 'temperror', reason: LATE } as const
  const found = await inTime(findRecord(fromDomain, own, dns), limits.authentication.dnsMs, () => late)
  const record = found && 'record' in found ? found.record : undefined

  // A record that could not be looked up may demand strict alignment: a failure of DNS must not be a way around that.
  const isUnknown = found !== undefined && 'result' in found && found.result === 'temperror'
  const isSpfStrict = isUnknown || record?.isSpfStrict === true
  const isDkimStrict = isUnknown || record?.isDkimStrict === true
  // §3.1: strict is the same name, relaxed the same organizational domain
  const isAligned = async (domain: string | undefined, isStrict: boolean) =>
    domain !== undefined && (domain === fromDomain || (!isStrict && (await organizationalDomain(domain)) === own))
  const isSpfAligned = await isAligned(spf.domain, isSpfStrict)
  const isDkimAligned = await Promise.all(dkim.map(({ domain }) => isAligned(domain, isDkimStrict)))
  const aligned = [...(isSpfAligned ? [spf] : []), ...dkim.filter((_, index) => isDkimAligned[index])]
  const isPass = aligned.some(({ result }) => result === 'pass')
  const alignment = { isSpfAligned, isDkimAligned, isPass }

  if (!found) return { ...alignment, finding: { result: 'none' } }
  if (!('record' in found)) return { ...alignment, finding: found }
  const { domain } = found
  const policy = domain === fromDomain ? found.record.policy : found.record.subdomainPolicy // §6.3 sp=
  if (isPass) return { ...alignment, finding: { result: 'pass', domain, policy } }
  // §6.6.2 step 5 leaves it open: what might have passed must not be rejected.
  const failed = aligned.find(({ result }) => result === 'temperror')
  if (failed) {
    const reason = failed.reason ?? 'a DNS failure'
    return { ...alignment, finding: { result: 'temperror', domain, policy, reason } }
  }
  const isExempt = found.record.percent < 100 && random() * 100 >= found.record.percent // §6.6.4
  const applied = isExempt ? weaker(policy) : policy
  const reason = 'neither SPF nor DKIM passes for the domain of From'
  return { ...alignment, finding: { result: 'fail', domain, policy, applied, reason } }
}

/** §6.6.3: the record of the domain itself, else that of its organizational domain. */
async function findRecord(domain: string, own: string, dns: CachedDns): Promise<Found | DmarcFinding | undefined> {
  for (const name of new Set([domain, own])) {
    let texts: readonly string[]
    try {
      texts = (await dns.query(`_dmarc.${name}`, 'TXT')).filter(isDmarcRecord)
    } catch (error) {
      const { code } = error as DnsError
      if (isNoSuchRecord({ code })) continue
      return { result: 'temperror', domain: name, reason: `the DMARC record could not be looked up (${code})` }
    }
    // Step 5: with several, "policy discovery terminates and DMARC processing is not applied"
    if (texts.length > 1) return { result: 'none', domain: name, reason: 'there are several DMARC records' }
    const [text] = texts
    if (text === undefined) continue
    const record = readDmarcRecord(text)
    return record
      ? { domain: name, record }
      : { result: 'permerror', domain: name, reason: 'the record has no valid policy' }
  }
  return undefined
}
