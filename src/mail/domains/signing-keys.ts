/**
 * DKIM keys, one for each domain of a tenant: two tenants that claim the same name have different keys, and only the
 * owner of the name can publish one of them.
 *
 * A key has 2048 bits (RFC 8301 §3.2: at least 1024, 2048 advised). Generating it takes about 0.1 s of another thread, so
 * it happens before the transaction, never inside it.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Db, Tx } from '../../store/handles.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import * as secrets from '../../store/tables/secrets-table.ts'

/** The key that signs mail of a domain. */
export interface SigningKey {
  readonly domain: string
  readonly selector: string
  /** The name of the DNS record with the public key (RFC 6376 §3.6.2.1). */
  readonly recordName: string
  /** Parsed once: parsing costs a tenth of a signature. */
  readonly privateKey: KeyObject
}

type KeyOwner = Pick<DomainRow, 'id' | 'domain' | 'dkim_selector'>

/** @returns a new RSA key, as PEM */
export type MakePrivateKey = () => Promise<string>

/** Is a `MakePrivateKey`. */
export async function makePrivateKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return privateKey
}

/** Returns a function that makes keys one at a time: several at once would occupy all threads that read files, for example. */
export function createKeyMaker(): MakePrivateKey {
  let last: Promise<unknown> = Promise.resolve()
  return async function makeNext() {
    const made = last.then(makePrivateKey)
    last = made.catch(() => undefined) // its caller gets the error
    return made
  }
}

export async function storeSigningKey(tx: Tx, { id }: KeyOwner, privateKeyPem: string): Promise<void> {
  await secrets.insertOnce(tx, 'dkim', id, privateKeyPem)
}

export async function removeSigningKey(tx: Tx, { id }: KeyOwner): Promise<void> {
  await secrets.remove(tx, 'dkim', id)
}

export async function readSigningKey(db: Db, { id, domain, dkim_selector }: KeyOwner): Promise<SigningKey | undefined> {
  const pem = await secrets.get(db, 'dkim', id)
  if (pem === undefined) return undefined
  const recordName = `${dkim_selector}._domainkey.${domain}`
  return { domain, selector: dkim_selector, recordName, privateKey: createPrivateKey(pem) }
}

/** @returns SubjectPublicKeyInfo in base64, as in a DKIM record (RFC 6376 §3.6.1) */
export function publicKeyOf({ privateKey }: Pick<SigningKey, 'privateKey'>): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')
}
