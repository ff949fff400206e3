/** Reads the DNS record of a public key (RFC 6376 §3.6.1, RFC 8463 §3). Pure. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { KeyType } from './dkim-signature.ts'
import { decodeTagBase64, parseTagList, splitValues } from './tag-list.ts'

export interface KeyRecord {
  readonly keyType: KeyType
  readonly key: KeyObject
  /** The length of an RSA key. */
  readonly bits?: number
  /** h=: whether it may be used with SHA-256. */
  readonly allowsSha256: boolean
  /** s=: whether it may be used for email. */
  readonly allowsEmail: boolean
  /** t=y: the domain is testing DKIM. */
  readonly isTesting: boolean
  /** t=s: i= must be the domain of d= itself. */
  readonly isStrict: boolean
}

export interface KeyProblem {
  readonly problem: string
}

/** Whether a TXT record of a key's name is meant as a key. Others, such as SPF records by mistake, are ignored. */
export function isKeyRecord(text: string): boolean {
  return /^\s*v\s*=\s*DKIM1\s*(?:;|$)/.test(text) || (!/^\s*v\s*=/i.test(text) && /(?:^|;)\s*p\s*=/.test(text))
}

export function readKeyRecord(text: string): KeyRecord | KeyProblem {
  const tags = parseTagList(text)
  if (!tags) return { problem: 'the key record is malformed' }
  const publicKey = tags.get('p')
  if (publicKey === undefined) return { problem: 'the key record has no key' }
  if (publicKey === '') return { problem: 'the key was revoked' } // §3.6.1: "An empty value means"
  const keyType = (tags.get('k') ?? 'rsa').toLowerCase()
  if (keyType !== 'rsa' && keyType !== 'ed25519') return { problem: 'the type of the key is not known' }
  const bytes = decodeTagBase64(publicKey)
  const key = bytes && (keyType === 'rsa' ? rsaKey(bytes) : ed25519Key(bytes))
  if (!key) return { problem: 'the key is malformed' }
  const { modulusLength, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  // An exponent as long as the modulus makes each verification as slow as a signature. Go's library has the same limit.
  if (publicExponent > 0x7fff_ffffn) return { problem: 'the exponent of the key is too large' }
  const values = (name: string) => splitValues(tags.get(name)?.toLowerCase() ?? '')
  const allows = (name: string, wanted: string) => !tags.has(name) || values(name).includes(wanted)
  return {
    ...{ keyType, key },
    ...(modulusLength !== undefined && { bits: modulusLength }),
    allowsSha256: allows('h', 'sha256'),
    allowsEmail: allows('s', 'email') || values('s').includes('*'),
    isTesting: values('t').includes('y'),
    isStrict: values('t').includes('s'),
  }
}

/** §3.6.1: a SubjectPublicKeyInfo; many publish the RSAPublicKey inside alone (RFC 8017 §A.1.1), as §3.6.1 says too. */
function rsaKey(der: Buffer): KeyObject | undefined {
  for (const type of ['spki', 'pkcs1'] as const) {
    try {
      const key = createPublicKey({ key: der, format: 'der', type })
      return key.asymmetricKeyType === 'rsa' ? key : undefined
    } catch {
      // it has the other form, or none
    }
  }
  return undefined
}

/** RFC 8463 §4.1: the 32 bytes of the key alone. */
function ed25519Key(bytes: Buffer): KeyObject | undefined {
  if (bytes.length !== 32) return undefined
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' })
}
