/**
 * The DNS records of a domain: those that its owner must publish, and what a check says about those that are seen. Pure.
 *
 * A domain has the envelope sender of its inboxes (RFC 5321 §4.4: the return path), so there is no record for a separate
 * return path: SPF is checked for the domain itself.
 */
import { bareHostName } from '../../host-name.ts'

/** What a record is for. */
export type RecordPurpose = 'inbound' | 'subdomain_inbound' | 'spf' | 'dkim' | 'dmarc'

/** A record that the owner must publish. */
export interface ExpectedRecord {
  readonly purpose: RecordPurpose
  readonly type: 'MX' | 'TXT'
  /** Fully qualified, without a dot at the end. */
  readonly name: string
  /** Host of an MX record, text of a TXT record. */
  readonly value: string
  /** Preference of an MX record. */
  readonly priority?: number
}

/** A record in DNS. */
export interface SeenRecord {
  readonly value: string
  readonly priority?: number
}

/** What was found for each expected record: all records of its type at its name. */
export type SeenRecords = Partial<Record<RecordPurpose, readonly SeenRecord[]>>

export interface RecordCheck {
  readonly status: 'MISSING' | 'INVALID' | 'VALID'
  readonly reason?: 'duplicate_records' | 'value_mismatch'
}

interface DescribedDomain {
  readonly domain: string
  readonly selector: string
  /** SubjectPublicKeyInfo in base64. */
  readonly publicKey: string
  readonly isInbound: boolean
  readonly hasSubdomains: boolean
}

export interface ServerNames {
  /** The name of this server in MX records. */
  readonly hostname: string
  /** The SPF mechanism that permits our mail, such as "a:mail.example.com"; undefined: SPF is not checked. */
  readonly spfTerm: string | undefined
}

const MX_PRIORITY = 10

/** A label that no one is likely to use: it is answered by the wildcard record. */
const SUBDOMAIN_PROBE = 'martlet-check'

export function expectedRecords(domain: DescribedDomain, { hostname, spfTerm }: ServerNames): ExpectedRecord[] {
  const name = domain.domain
  const mx = { type: 'MX', value: hostname, priority: MX_PRIORITY } as const
  return [
    ...(domain.isInbound ? [{ ...mx, purpose: 'inbound', name } as const] : []),
    ...(domain.isInbound && domain.hasSubdomains
      ? [{ ...mx, purpose: 'subdomain_inbound', name: `*.${name}` } as const]
      : []),
    ...(spfTerm === undefined ? [] : [{ purpose: 'spf', type: 'TXT', name, value: `v=spf1 ${spfTerm} ~all` } as const]),
    {
      purpose: 'dkim',
      type: 'TXT',
      name: `${domain.selector}._domainkey.${name}`,
      value: `v=DKIM1; k=rsa; p=${domain.publicKey}`,
    },
    { purpose: 'dmarc', type: 'TXT', name: `_dmarc.${name}`, value: 'v=DMARC1; p=reject' },
  ]
}

/** Returns the name to query: a wildcard is not queried itself, but answers for any name below (RFC 4592). */
export function queriedName({ name }: ExpectedRecord): string {
  return name.replace(/^\*/, SUBDOMAIN_PROBE)
}

/**
 * Returns some of the records in DNS, the ones that `checkRecord` compares first: a name may have many TXT records of other
 * services, and DNS returns them in any order.
 */
export function mostRelevant(purpose: RecordPurpose, seen: readonly SeenRecord[], max: number): SeenRecord[] {
  const pattern = COMPARED[purpose]
  const rank = ({ value, priority = 0 }: SeenRecord) => (pattern ? Number(!pattern.test(value)) : priority)
  return seen.toSorted((one, other) => rank(one) - rank(other)).slice(0, max)
}

/** Compares a record with those in DNS, as a receiver of our mail would interpret them. */
export function checkRecord(expected: ExpectedRecord, seen: readonly SeenRecord[], server: ServerNames): RecordCheck {
  switch (expected.purpose) {
    case 'inbound':
    case 'subdomain_inbound':
      return checkMx(expected.value, seen)
    case 'spf':
      return checkSpf(server.spfTerm, seen)
    case 'dkim':
      return checkDkim(expected.value, seen)
    case 'dmarc':
      return checkDmarc(seen)
  }
}

/** Which TXT records are compared; the others at the same name are for something else. */
const COMPARED: Partial<Record<RecordPurpose, RegExp>> = {
  spf: /^v=spf1(?: |$)/i,
  dkim: /(?:^|;)\s*p\s*=/i,
  dmarc: /^v\s*=\s*DMARC1\s*(?:;|$)/,
}

function compared(purpose: RecordPurpose, seen: readonly SeenRecord[]): SeenRecord[] {
  return seen.filter(({ value }) => COMPARED[purpose]?.test(value))
}

/** RFC 5321 §5.1: senders use the lowest preference first, so our server must have it, perhaps beside others. */
function checkMx(hostname: string, seen: readonly SeenRecord[]): RecordCheck {
  if (seen.length === 0) return MISSING
  const lowest = Math.min(...seen.map(({ priority = 0 }) => priority))
  const isOurs = ({ value, priority = 0 }: SeenRecord) => priority === lowest && bareHostName(value) === hostname
  return seen.some(isOurs) ? VALID : MISMATCH
}

/** Whether the record of this server is there, and senders use another one, because its preference is a lower number. */
export function isOutranked(
  { type, value }: Pick<ExpectedRecord, 'type' | 'value'>,
  seen: readonly SeenRecord[],
): boolean {
  if (type !== 'MX' || checkMx(value, seen) === VALID) return false
  return seen.some((each) => bareHostName(each.value) === value)
}

/** RFC 7208 §4.5: two SPF records are an error. */
function checkSpf(term: string | undefined, seen: readonly SeenRecord[]): RecordCheck {
  const records = compared('spf', seen)
  if (records.length !== 1) return records.length === 0 ? MISSING : DUPLICATE
  const terms = records[0]!.value.toLowerCase().split(/ +/)
  return terms.some((each) => each.replace(/^\+/, '') === term?.toLowerCase()) ? VALID : MISMATCH
}

/** RFC 6376 §3.6.2.2: with several records, the result is undefined. */
function checkDkim(expected: string, seen: readonly SeenRecord[]): RecordCheck {
  const records = compared('dkim', seen)
  if (records.length !== 1) return records.length === 0 ? MISSING : DUPLICATE
  return tagOf(records[0]!.value, 'p') === tagOf(expected, 'p') ? VALID : MISMATCH
}

/** The owner chooses the policy (RFC 7489 §6.3). RFC 7489 §6.6.3: several records count as none. */
function checkDmarc(seen: readonly SeenRecord[]): RecordCheck {
  const records = compared('dmarc', seen)
  if (records.length !== 1) return records.length === 0 ? MISSING : DUPLICATE
  return /^(?:none|quarantine|reject)$/i.test(tagOf(records[0]!.value, 'p') ?? '') ? VALID : MISMATCH
}

const VALID: RecordCheck = { status: 'VALID' }
const MISSING: RecordCheck = { status: 'MISSING' }
const DUPLICATE: RecordCheck = { status: 'INVALID', reason: 'duplicate_records' }
const MISMATCH: RecordCheck = { status: 'INVALID', reason: 'value_mismatch' }

/** Returns a tag of a tag list (RFC 6376 §3.2), without white space. */
function tagOf(record: string, name: string): string | undefined {
  for (const part of record.split(';')) {
    const [key = '', ...value] = part.split('=')
    if (key.trim().toLowerCase() === name) return value.join('=').replace(/\s+/g, '')
  }
  return undefined
}
