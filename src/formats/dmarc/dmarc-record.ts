/** Reads a DMARC record (RFC 7489 §6.3, §6.6.3). Pure. */
import { readTags } from '../dkim/tag-list.ts'

export type Policy = 'none' | 'quarantine' | 'reject'

export interface DmarcRecord {
  readonly policy: Policy
  /** For names below the one that has the record. */
  readonly subdomainPolicy: Policy
  readonly isDkimStrict: boolean
  readonly isSpfStrict: boolean
  /** The share of the mail to which the policy applies, 0 to 100. */
  readonly percent: number
}

/** Whether a TXT record is meant as a DMARC record (§6.6.3 step 2): v= is the first tag, and it is exactly this. */
export function isDmarcRecord(text: string): boolean {
  return /^\s*v\s*=\s*DMARC1\s*(?:;|$)/.test(text)
}

/** @returns undefined if the record asks for nothing: neither for a policy nor for reports */
export function readDmarcRecord(text: string): DmarcRecord | undefined {
  const tags = readTags(text)
  const policy = policyOf(tags.get('p'))
  const subdomainPolicy = policyOf(tags.get('sp') ?? tags.get('p'))
  const isStrict = (name: string) => tags.get(name)?.toLowerCase() === 's'
  const alignment = { isDkimStrict: isStrict('adkim'), isSpfStrict: isStrict('aspf') }
  if (!policy || !subdomainPolicy) {
    // §6.6.3 step 6: without a valid p= or sp=, a record that wants reports counts as p=none
    const isReporting = /^mailto:/i.test(tags.get('rua') ?? '')
    return isReporting ? { policy: 'none', subdomainPolicy: 'none', ...alignment, percent: 100 } : undefined
  }
  const percent = tags.get('pct')
  const isPercent = percent !== undefined && /^\d{1,3}$/.test(percent) && Number(percent) <= 100
  return { policy, subdomainPolicy, ...alignment, percent: isPercent ? Number(percent) : 100 }
}

/** §6.6.4: mail to which pct= does not apply gets the next weaker policy. */
export function weaker(policy: Policy): Policy {
  return policy === 'reject' ? 'quarantine' : 'none'
}

function policyOf(text: string | undefined): Policy | undefined {
  const lower = text?.toLowerCase()
  return lower === 'none' || lower === 'quarantine' || lower === 'reject' ? lower : undefined
}
