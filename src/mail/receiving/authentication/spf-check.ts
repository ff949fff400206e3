/**
 * Checks SPF: whether the domain of the envelope's sender permits the address from which the message came (RFC 7208).
 *
 * mailauth evaluates the record, with our DNS. It counts lookups (§4.6.4: ten, and two that find nothing) and has a limit
 * of time. It follows the RFC to the letter only with `strict`.
 */
import type { Limits } from '../../../config/limits.ts'
import { normaliseDomain, splitAddress } from '../../../formats/address/address.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import type { SpfFinding } from '../../messages/authentication.ts'

export type SpfResult = Omit<SpfFinding, 'isAligned'>

export interface SpfNeeds {
  readonly dns: CachedDns
  /** Our own name, for the macro "r". */
  readonly hostname: string
  readonly limits: Limits
}

export interface SpfClient {
  readonly ipAddress: string
  readonly helo: string
  /** Envelope sender; "" for a bounce. */
  readonly sender: string
}

/** 100 modules, which a start does not load. */
let evaluator: Promise<typeof import('mailauth/lib/spf/index.js')> | undefined

export async function checkSpf(client: SpfClient, { dns, hostname, limits }: SpfNeeds): Promise<SpfResult> {
  const { ipAddress, helo, sender } = client
  // §2.4: without a sender, the name in EHLO is checked, as postmaster@ this name
  const identity = sender === '' ? 'helo' : 'mailfrom'
  const domain = normaliseDomain((sender === '' ? helo : splitAddress(sender).domain).replace(/\.$/, ''))
  // §4.3: no name, or a literal, has no record
  if (domain === undefined || !domain.includes('.') || domain.startsWith('['))
    return { result: 'none', identity, reason: 'the sender has no domain that could have a record' }
  evaluator ??= import('mailauth/lib/spf/index.js')
  const { spf } = await evaluator
  const checked = await spf({
    ...{ sender, helo, ip: ipAddress, mta: hostname, strict: true },
    maxElapsedTime: limits.authentication.spfMs,
    maxResolveCount: limits.authentication.spfLookupsMax,
    maxVoidCount: limits.authentication.spfVoidLookupsMax,
    resolver: (name: string, type: string) => resolve(dns, name, type, limits),
  } as never)
  const { status } = checked as {
    readonly status: { readonly result: SpfFinding['result']; readonly comment?: string }
  }
  const reason = status.comment?.replace(`${hostname}: `, '').slice(0, REASON_CHARS_MAX)
  return { result: status.result, domain, identity, ...(reason && { reason }) }
}

const REASON_CHARS_MAX = 300

/** Answers as `dns.promises.resolve` of Node does. */
async function resolve(dns: CachedDns, name: string, type: string, { authentication }: Limits): Promise<unknown[]> {
  const records = await dns.query(name.replace(/\.$/, ''), type as Parameters<CachedDns['query']>[1])
  if (type === 'TXT') return texts(records, authentication.spfRecordBytesMax)
  if (type !== 'MX') return [...records]
  return records.map((text) => {
    const [priority, exchange] = text.split(' ')
    return { priority: Number(priority), exchange }
  })
}

/**
 * Leaves out the records that are too long. mailauth evaluates a record on the event loop, and one of 60 KB takes 200 ms.
 *
 * @throws an error with the result `permerror` if one of them is an SPF record
 */
function texts(records: readonly string[], bytesMax: number): string[][] {
  const short = records.filter(({ length }) => length <= bytesMax)
  const isSpfTooLong = records.some((text) => text.length > bytesMax && /^v=spf1/i.test(text))
  const spfResult = { error: 'permerror', text: 'The SPF record is too long' }
  if (isSpfTooLong) throw Object.assign(new Error(spfResult.text), { spfResult })
  return short.map((text) => [text])
}
