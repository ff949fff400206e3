/** Provides the certificate of the listeners: the operator's files, or a self-signed one from the first start. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Config } from '../config/settings.ts'
import type { TlsSource } from '../edges/tls.ts'
import { StartupError } from '../errors.ts'
import { ensureCertificate } from '../mail/domains/certificate.ts'
import type { Store } from '../store/store.ts'

interface TlsNeeds {
  readonly config: Pick<Config, 'tls' | 'hostname'>
  readonly store: Store
  readonly clock: () => number
}

/** @throws StartupError if the files cannot be read or the key does not match the certificate */
export async function openTls({ config, store, clock }: TlsNeeds): Promise<TlsSource> {
  const pair = config.tls ? readTlsFiles(config.tls) : await ensureCertificate(store, config.hostname, clock())
  // The certificate does not change while the server runs: Martlet has no ACME, and reads the operator's files once.
  return { current: () => pair, onChange: () => () => undefined }
}

/** @throws StartupError if the files cannot be read or the key does not match the certificate */
export function readTlsFiles({ certFile, keyFile }: { certFile: string; keyFile: string }): {
  cert: string
  key: string
} {
  try {
    const pair = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
    createSecureContext(pair) // throws if the key does not match the certificate
    return pair
  } catch (error) {
    const detail = (error as Error).message
    throw new StartupError(`MARTLET_TLS_CERT and MARTLET_TLS_KEY cannot be used: ${detail}`, { cause: error })
  }
}
