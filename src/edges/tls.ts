/**
 * What a listener knows of TLS: the certificate that is current, and when it changes.
 *
 * Edges declare it, main.ts supplies it: files, a self-signed pair (net/self-signed.ts), later ACME. A listener must ask
 * again on each change, since a certificate is renewed while connections stay open.
 */

/** A certificate chain and its private key, both PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface TlsSource {
  /** The certificate for handshakes that start now. Cheap; never throws. */
  current(): Certificate
  /**
   * @param listener called after `current()` has a new answer; running sessions keep the old one
   * @returns stops the calls
   */
  onChange(listener: () => void): () => void
}
