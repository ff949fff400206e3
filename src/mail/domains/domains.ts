/**
 * Domains: those in which inboxes can be created, and the DKIM key of each.
 *
 * A domain gets its 2048-bit DKIM key when it is created (RFC 8301 §3.2: at least 1024, 2048 advised). Generating a key
 * takes about 0.1 s of another thread, so it happens before the transaction, never inside it.
 */
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { MailError } from '../../errors.ts'
import type { Db } from '../../store/handles.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as secrets from '../../store/tables/secrets-table.ts'
import type { Scope } from '../access/access.ts'

const SELECTOR = 'martlet'

/** The key that signs mail of a domain. */
export interface SigningKey {
  readonly domain: string
  readonly selector: string
  /** The name of the DNS record with the public key (RFC 6376 §3.6.2.1); the secret is stored under this name too. */
  readonly recordName: string
  /** Parsed once: parsing costs a tenth of a signature. */
  readonly privateKey: KeyObject
}

export interface Domains {
  /** Creates the shared domain with its key unless it exists. */
  ensureShared(domain: string): Promise<DomainRow>
  /** Whether mail for this domain is delivered here. */
  isOurs(domain: string): Promise<boolean>
  /** Returns the key for mail from this domain, undefined if it is not (or no longer) ours. Cached in memory. */
  signingKey(domain: string): Promise<SigningKey | undefined>
}

export function createDomains({ store }: { readonly store: Store }): Domains {
  const signingKeys = new Map<string, SigningKey>()

  return {
    async ensureShared(domain) {
      const existing = await domains.getByName(store.db, domain)
      if (existing) return existing
      const privateKeyPem = await makePrivateKey()
      return store.transaction(async (tx) => {
        const madeMeanwhile = await domains.getByName(tx, domain)
        if (madeMeanwhile) return madeMeanwhile
        const row: DomainRow = {
          id: tx.newId(),
          organization_id: null,
          pod_id: null,
          domain,
          status: 'VERIFIED',
          dkim_selector: SELECTOR,
          deleting_at: null,
          created_at: tx.now,
          updated_at: tx.now,
        }
        await domains.insert(tx, row)
        await secrets.insertOnce(tx, 'dkim', recordName(row.dkim_selector, row.domain), privateKeyPem)
        return row
      })
    },

    isOurs: async (domain) => (await domains.getByName(store.db, domain)) !== undefined,

    async signingKey(domain) {
      const known = signingKeys.get(domain)
      if (known) return known
      const key = await readSigningKey(store.db, domain)
      if (key) signingKeys.set(domain, key)
      return key
    },
  }
}

/** Returns the key for mail from this domain; undefined if it is not ours. */
export async function readSigningKey(db: Db, domain: string): Promise<SigningKey | undefined> {
  const row = await domains.getByName(db, domain)
  const privateKeyPem = row && (await secrets.get(db, 'dkim', recordName(row.dkim_selector, domain)))
  if (!row || privateKeyPem === undefined) return undefined
  const selector = row.dkim_selector
  const privateKey = createPrivateKey(privateKeyPem)
  return { domain, selector, recordName: recordName(selector, domain), privateKey }
}

/**
 * Returns the domain for a new inbox, if the scope may use it.
 *
 * @throws domain_not_available
 */
export async function requireDomain(db: Db, scope: Scope, domain: string): Promise<DomainRow> {
  const row = await domains.getByName(db, domain)
  const isShared = row?.organization_id === null
  const isOwn =
    row?.organization_id === scope.organizationId &&
    (row.pod_id === null || scope.podId === undefined || row.pod_id === scope.podId)
  if (!row || !(isShared || isOwn)) throw new MailError('domain_not_available', { domain })
  return row
}

function recordName(selector: string, domain: string): string {
  return `${selector}._domainkey.${domain}`
}

async function makePrivateKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return privateKey
}
