/**
 * Mail with DKIM signatures and ARC seals by mailauth, which shares no code with ours, and the DNS records of its keys. One key of each
 * kind per process.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import type { Records } from './dns-server.ts'
import { knownSigningKey } from './shared-signing-keys.ts'

export interface TestKey {
  readonly privateKey: string
  /** TXT record. */
  readonly record: string
}

const made = new Map<string, TestKey>()

/** @param kind "ed25519", or the bits of an RSA key */
export function testKey(kind: 2048 | 'ed25519'): TestKey {
  const known = made.get(String(kind))
  if (known) return known
  const privateKey = kind === 'ed25519' ? generateKeyPairSync('ed25519').privateKey : knownSigningKey()
  const key = {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    record: keyRecord(privateKey),
  }
  made.set(String(kind), key)
  return key
}

export function keyRecord(privateKey: KeyObject): string {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  // RFC 8463 §4.2: of Ed25519, only the last 32 bytes, which are the key
  if (privateKey.asymmetricKeyType === 'ed25519')
    return `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`
  return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`
}

export interface SignOptions {
  readonly domain: string
  readonly selector?: string
  readonly key?: TestKey
  readonly canonicalization?: string
  readonly signTime?: Date
  readonly expires?: Date
  readonly maxBodyLength?: number
}

/** @returns the message with a DKIM-Signature at the top */
export async function sign(mail: string, options: SignOptions): Promise<string> {
  const { domain, selector = 's1', key = testKey(2048), canonicalization = 'relaxed/relaxed', ...others } = options
  const isEd25519 = key.record.includes('ed25519')
  const { signatures, errors } = await dkimSign(mail, {
    ...{ canonicalization, algorithm: isEd25519 ? 'ed25519-sha256' : 'rsa-sha256', ...others },
    signatureData: [{ signingDomain: domain, selector, privateKey: key.privateKey, ...others }],
  } as never)
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  return `${signatures}${mail}`
}

/** @returns the zone entry of a key */
export function keyZone(domain: string, { selector = 's1', key = testKey(2048) } = {}): Record<string, Records> {
  return { [`${selector}._domainkey.${domain}`]: { TXT: [inStrings(key.record)] } }
}

/** Cuts a long TXT record into strings of up to 255 bytes (RFC 1035 §3.3). */
export function inStrings(text: string): string[] {
  return text.match(/.{1,255}/gs) ?? ['']
}
