/**
 * Reads a DKIM-Signature field (RFC 6376 §3.5, §6.1.1), or an ARC-Message-Signature, which has the same tags (RFC 8617
 * §4.1.2). Pure; signed-data.ts computes what it signs, and mail/receiving/authentication/ verifies it.
 */
import { normaliseDomain } from '../address/address.ts'
import { decodeTagBase64, parseTagList, splitValues, type TagList } from './tag-list.ts'

export type KeyType = 'rsa' | 'ed25519'
export type Canonicalization = 'simple' | 'relaxed'

/** What every signature says: the seal of an ARC set, too. */
export interface SignatureIdentity {
  /** d=, as A-labels. */
  readonly domain: string
  /** s= */
  readonly selector: string
  /** a= */
  readonly algorithm: string
  readonly keyType: KeyType
  /** b=, base64. */
  readonly signature: string
  /** t=, seconds since 1970. */
  readonly signedAt?: number
}

export interface DkimSignature extends SignatureIdentity {
  readonly headerCanon: Canonicalization
  readonly bodyCanon: Canonicalization
  /** bh=, base64. */
  readonly bodyHash: string
  /** h=, in lower case. */
  readonly signedNames: readonly string[]
  /** l= */
  readonly bodyBytes?: number
  /** x=, seconds since 1970. */
  readonly expiresAt?: number
  /** The domain of i=, if it differs from d=. */
  readonly identityDomain?: string
}

/** Why a signature cannot be verified, as far as it could be read. */
export interface Unverifiable {
  readonly domain?: string
  readonly selector?: string
  readonly algorithm?: string
  /** RFC 8601 §2.7.1. `policy`: it could be verified, but its algorithm proves nothing. */
  readonly result: 'permerror' | 'policy'
  readonly reason: string
}

/** RFC 6376 §3.5: 12 digits for times (t=, x=) and 76 for l=, of which no message has more than 15. */
const TIME = /^\d{1,12}$/
const LENGTH = /^\d{1,15}$/
/** §3.1: selectors are parts of a domain name. */
const SELECTOR = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

/**
 * @param value of the field, as latin1
 * @param kind  in an ARC-Message-Signature, i= is the instance, and v= does not exist
 */
export function readSignature(value: string, kind: 'dkim' | 'arc'): DkimSignature | Unverifiable {
  const tags = parseTagList(value)
  if (!tags) return { result: 'permerror', reason: 'the signature is malformed' }
  // §6.1.1: "MUST return PERMFAIL (incompatible version)", and for a missing tag
  if (kind === 'dkim' && tags.get('v') !== '1') return unverifiable(tags, 'the version is missing or unknown')
  for (const name of ['a', 'b', 'bh', 'd', 'h', 's'])
    if (!tags.get(name)) return unverifiable(tags, `${name}= is missing`)
  const identity = readIdentity(tags)
  if ('reason' in identity) return identity

  const [headerCanon, bodyCanon = 'simple'] = (tags.get('c') ?? 'simple/simple').toLowerCase().split('/') // §3.5
  if (!isCanonicalization(headerCanon) || !isCanonicalization(bodyCanon)) return unverifiable(tags, 'c= is not known')
  if (!decodeTagBase64(tags.get('bh')!)) return unverifiable(tags, 'bh= is malformed')
  // §3.5: "other values MUST be ignored" in q=; without dns/txt, the key cannot be found
  const queries = tags.get('q')
  if (queries !== undefined && !splitValues(queries).some((query) => query.toLowerCase() === 'dns/txt'))
    return unverifiable(tags, 'q= has no known method')
  const signedNames = splitValues(tags.get('h')!).map((name) => name.toLowerCase())
  // §5.4: From is always signed; §6.1.1 step "From field not signed"
  if (!signedNames.includes('from')) return unverifiable(tags, 'From is not signed')
  // RFC 8617 §4.1.2: the message signature must not cover seals
  if (kind === 'arc' && signedNames.includes('arc-seal')) return unverifiable(tags, 'h= contains arc-seal')

  const { l: length, x: expiry } = Object.fromEntries(tags)
  if (length !== undefined && !LENGTH.test(length)) return unverifiable(tags, 'l= is malformed')
  if (expiry !== undefined && !TIME.test(expiry)) return unverifiable(tags, 'x= is malformed')
  // §3.5: "The value MUST be greater than the value of the t= tag if both are present."
  if (expiry !== undefined && identity.signedAt !== undefined && Number(expiry) <= identity.signedAt)
    return unverifiable(tags, 'x= is not later than t=')
  const identityDomain = kind === 'dkim' ? identityDomainOf(tags, identity.domain) : undefined
  // §6.1.1: "the value of the 'i=' tag … is not the same as or a subdomain of" d=
  if (identityDomain === null) return unverifiable(tags, 'i= is not in the domain of d=')
  return {
    ...identity,
    ...{ headerCanon, bodyCanon, signedNames },
    bodyHash: tags.get('bh')!.replace(/[ \t\r\n]+/g, ''),
    ...(length !== undefined && { bodyBytes: Number(length) }),
    ...(expiry !== undefined && { expiresAt: Number(expiry) }),
    ...(identityDomain !== undefined && identityDomain !== identity.domain && { identityDomain }),
  }
}

/** Reads the tags that signatures and seals share. */
export function readIdentity(tags: TagList): SignatureIdentity | Unverifiable {
  const algorithm = tags.get('a')!.toLowerCase()
  // RFC 8301 §3.1: rsa-sha1 "MUST NOT be used for signing or verifying"
  if (algorithm === 'rsa-sha1') return { ...unverifiable(tags, 'rsa-sha1 proves nothing (RFC 8301)'), result: 'policy' }
  if (algorithm !== 'rsa-sha256' && algorithm !== 'ed25519-sha256')
    return unverifiable(tags, 'the algorithm is not known')
  const domain = normaliseDomain(asUtf8(tags.get('d')!)) // RFC 8616 §3: it may have U-labels
  if (domain === undefined || domain.startsWith('[')) return unverifiable(tags, 'd= is no domain')
  const selector = tags.get('s')!
  if (!SELECTOR.test(selector)) return unverifiable(tags, 's= is no selector')
  const signedAt = tags.get('t')
  if (signedAt !== undefined && !TIME.test(signedAt)) return unverifiable(tags, 't= is malformed')
  if (!decodeTagBase64(tags.get('b')!)) return unverifiable(tags, 'b= is malformed')
  return {
    ...{ domain, selector, algorithm },
    keyType: algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519',
    signature: tags.get('b')!.replace(/[ \t\r\n]+/g, ''),
    ...(signedAt !== undefined && { signedAt: Number(signedAt) }),
  }
}

/** Cut, because anyone can write anything there. */
const SHOWN_CHARS_MAX = 255

export function unverifiable(tags: TagList, reason: string): Unverifiable {
  const shown = (name: string) => tags.get(name)?.slice(0, SHOWN_CHARS_MAX)
  const domain = shown('d')
  const selector = shown('s')
  const algorithm = shown('a')
  return {
    ...(domain && { domain }),
    ...(selector && { selector }),
    ...(algorithm && { algorithm }),
    ...{ result: 'permerror', reason },
  }
}

/** @returns undefined without i=; null if its domain is not below d= */
function identityDomainOf(tags: TagList, domain: string): string | null | undefined {
  const identity = tags.get('i')
  if (identity === undefined) return undefined
  const own = normaliseDomain(asUtf8(identity.slice(identity.lastIndexOf('@') + 1)).replace(/[ \t\r\n]+/g, ''))
  if (own === undefined) return null
  return own === domain || own.endsWith(`.${domain}`) ? own : null
}

function asUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString()
}

function isCanonicalization(text: string | undefined): text is Canonicalization {
  return text === 'simple' || text === 'relaxed'
}
