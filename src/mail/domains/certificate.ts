/**
 * The certificate that the listeners use until an operator configures a better one: self-signed, created at first start
 * and stored with the other secrets, so that every node uses the same one. It protects mail from passive eavesdroppers
 * but proves no identity, and SMTP senders do not require more (RFC 3207 §4.1).
 */
import { X509Certificate } from 'node:crypto'
import { createSelfSigned } from '../../net/self-signed.ts'
import type { Store } from '../../store/store.ts'
import * as secrets from '../../store/tables/secrets-table.ts'

export interface StoredCertificate {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

/** A start within this time before the expiry renews the certificate. */
const RENEW_BEFORE_MS = 30 * 24 * 3_600_000

/** @returns the stored certificate, or a new one if there is none for this hostname or it expires soon */
export async function ensureCertificate(store: Store, hostname: string, nowMs: number): Promise<StoredCertificate> {
  const storedJson = await secrets.get(store.db, 'tls', hostname)
  const current = storedJson === undefined ? undefined : (JSON.parse(storedJson) as StoredCertificate)
  if (current && Date.parse(new X509Certificate(current.cert).validTo) - RENEW_BEFORE_MS > nowMs) return current
  const created = await createSelfSigned({ hostname, nowMs })
  const value = JSON.stringify(created)
  const json = await store.transaction((tx) => secrets.replace(tx, 'tls', hostname, { known: storedJson, value }))
  return JSON.parse(json) as StoredCertificate // from another node, if it started at the same time
}
