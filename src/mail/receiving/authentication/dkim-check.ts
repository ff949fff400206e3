/**
 * Verifies DKIM signatures (RFC 6376 §6, RFC 8301, RFC 8463), and those of ARC, which are the same. What they sign was computed
 * in the parse thread (formats/dkim/signed-data.ts); the public keys come from DNS; and Node verifies in its thread pool.
 */
import { createHash, type KeyObject, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { Limits } from '../../../config/limits.ts'
import { isKeyRecord, type KeyProblem, type KeyRecord, readKeyRecord } from '../../../formats/dkim/dkim-key-record.ts'
import type { SignatureIdentity } from '../../../formats/dkim/dkim-signature.ts'
import type { SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import { DnsError, isNoSuchRecord } from '../../../net/dns/dns-query.ts'
import { LruCache } from '../../../store/lru-cache.ts'
import type { DkimFinding } from '../../messages/authentication.ts'
import { inTime } from './in-time.ts'

export type DkimResult = Omit<DkimFinding, 'isAligned'>
export type SignatureResult = Pick<DkimFinding, 'result' | 'reason'>

export interface SignatureChecks {
  /**
   * Verifies the signatures of a message, at the same time. None waits for the key of another one longer than `dnsMs`.
   *
   * @param nowSeconds since 1970
   * @param client     whose mail it is (CachedDns.query)
   */
  checkDkim(evidence: SenderEvidence, nowSeconds: number, client?: string): Promise<DkimResult[]>
  /** Verifies one signature. */
  verifySignature(signed: Signed, nowSeconds: number, client?: string): Promise<SignatureResult>
}

export interface Signed extends SignatureIdentity {
  readonly expiresAt?: number
  readonly identityDomain?: string
  /** As latin1. */
  readonly header: string
}

interface SignatureChecksNeeds {
  readonly dns: CachedDns
  readonly limits: Limits
}

const verifyBytes = promisify<string | null, Buffer, KeyObject, Buffer, boolean>(verify)

export function createSignatureChecks({ dns, limits }: SignatureChecksNeeds): SignatureChecks {
  const { rsaBitsMin, rsaBitsMax, keysCachedMax, clockSkewMs, dnsMs } = limits.authentication
  /** By the text of the record: reading a key takes as long as verifying a signature. */
  const keys = new LruCache<KeyRecord | KeyProblem>(keysCachedMax)

  return { checkDkim, verifySignature }

  async function checkDkim({ signatures, unreadSignatureCount }: SenderEvidence, nowSeconds: number, client?: string) {
    const results = signatures.map(async (signature): Promise<DkimResult> => {
      const { domain, selector, algorithm } = signature
      const shown = { ...(domain && { domain }), ...(selector && { selector }), ...(algorithm && { algorithm }) }
      if ('reason' in signature) return { ...shown, result: signature.result, reason: signature.reason }
      // §8.2: with l=, anyone can append text that looks signed. (Stricter than §3.4.5, which allows it.)
      if (signature.hasUnsignedBody) return { ...shown, result: 'fail', reason: 'l= leaves out a part of the body' }
      if (!signature.isBodyIntact) return { ...shown, result: 'fail', reason: 'the body was changed' } // §6.1.3
      return { ...shown, ...(await verifySignature(signature, nowSeconds, client)) }
    })
    const unread = { result: 'policy', reason: `${unreadSignatureCount} further signatures were not verified` } as const
    return [...(await Promise.all(results)), ...(unreadSignatureCount > 0 ? [unread] : [])]
  }

  async function verifySignature(signed: Signed, nowSeconds: number, client?: string): Promise<SignatureResult> {
    const { domain, selector, keyType, signature, header, signedAt, expiresAt, identityDomain } = signed
    // §3.5: "Signatures MAY be considered invalid if the verification time … is past the expiration date."
    if (expiresAt !== undefined && expiresAt < nowSeconds)
      return { result: 'fail', reason: 'the signature has expired' }
    // §3.5: "Implementations MAY ignore signatures that have a timestamp in the future."
    if (signedAt !== undefined && signedAt > nowSeconds + clockSkewMs / 1_000)
      return { result: 'policy', reason: 'the signature is from the future' }
    const key = await findKey(`${selector}._domainkey.${domain}`, client) // §3.6.2.1
    if ('result' in key) return key
    if (key.keyType !== keyType) return { result: 'permerror', reason: 'the key is of another type' }
    if (!key.allowsSha256) return { result: 'permerror', reason: 'the key may not be used with SHA-256' }
    if (!key.allowsEmail) return { result: 'permerror', reason: 'the key may not be used for email' }
    // RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid"
    if (key.bits !== undefined && key.bits < rsaBitsMin)
      return { result: 'fail', reason: `the key has only ${key.bits} bits` }
    if (key.bits !== undefined && key.bits > rsaBitsMax)
      return { result: 'policy', reason: `the key has ${key.bits} bits, which takes too long` }
    // §3.6.1 t=s
    if (key.isStrict && identityDomain !== undefined)
      return { result: 'permerror', reason: 'i= is below the domain of the key' }
    if (!(await isValid(header, signature, key))) return { result: 'fail', reason: 'the signature is wrong' }
    // §3.6.1 t=y: "MUST NOT treat messages from Signers in testing mode differently from unsigned email"
    if (key.isTesting) return { result: 'policy', reason: 'the domain is testing DKIM' }
    return { result: 'pass' }
  }

  async function findKey(name: string, client?: string): Promise<KeyRecord | SignatureResult> {
    let records: readonly string[]
    try {
      const late = () => new DnsError('ETIMEOUT', name)
      records = await inTime(dns.query(name, 'TXT', client), dnsMs, late)
    } catch (error) {
      const { code } = error as DnsError
      // §6.1.2: no key is final, a failure is not
      if (isNoSuchRecord({ code })) return { result: 'permerror', reason: 'there is no key' }
      return { result: 'temperror', reason: `the key could not be looked up (${code})` }
    }
    const [text, other] = records.filter(isKeyRecord)
    if (text === undefined) return { result: 'permerror', reason: 'there is no key' }
    // §3.6.2.2: "the results are undefined"
    if (other !== undefined) return { result: 'permerror', reason: 'there are several keys' }
    const isLong = text.length > limits.dns.cachedBytesMax // the cache must not become large
    const key = isLong ? readKeyRecord(text) : keys.getOrAdd(text, () => readKeyRecord(text))
    return 'problem' in key ? { result: 'permerror', reason: key.problem } : key
  }
}

/** RFC 8463 §3: Ed25519 signs the hash. */
async function isValid(header: string, signature: string, { key, keyType }: KeyRecord): Promise<boolean> {
  const bytes = Buffer.from(header, 'latin1')
  const value = Buffer.from(signature, 'base64')
  if (keyType === 'rsa') return verifyBytes('sha256', bytes, key, value)
  return verifyBytes(null, createHash('sha256').update(bytes).digest(), key, value)
}
