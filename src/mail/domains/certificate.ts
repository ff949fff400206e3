/**
 * The certificate that listeners show until an operator gives a better one: self-signed, made at first start and kept
 * with the other secrets, so that every node shows the same. It hides mail from listeners-in on the way; it proves
 * nothing, and senders over SMTP do not ask for more (RFC 3207 §4.1).
 */
import { X509Certificate } from 'node:crypto'
import { createSelfSigned } from '../../net/self-signed.ts'
import type { Store } from '../../store/store.ts'
import * as secrets from '../../store/tables/secrets.ts'

export interface StoredCertificate {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

/** Renewed at a start this long before its end. */
const RENEW_BEFORE_MS = 30 * 24 * 3_600_000

/** @returns the kept one, or a new one when there is none, its time is nearly over, or the host has another name */
export async function ensureCertificate(store: Store, hostname: string, nowMs: number): Promise<StoredCertificate> {
  const kept = await secrets.get(store.db, 'tls', hostname)
  const known = kept === undefined ? undefined : (JSON.parse(kept) as StoredCertificate)
  if (known && Date.parse(new X509Certificate(known.cert).validTo) - RENEW_BEFORE_MS > nowMs) return known
  const made = await createSelfSigned({ hostname, nowMs })
  const value = JSON.stringify(made)
  const stored = await store.transaction((tx) => secrets.replace(tx, 'tls', hostname, { known: kept, value }))
  return JSON.parse(stored) as StoredCertificate // another node's, if that one started at the same time
}
